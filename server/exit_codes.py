"""What a worker's exit tells the supervisor (numbers of sysexits.h)."""

# Starting again would not help.
CANNOT_START = 78
# It might: something we need was not there.
TRY_AGAIN = 75
