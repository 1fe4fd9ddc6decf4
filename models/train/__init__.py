"""How the shipped networks are made: data, training, export, measurement. Nothing that serves imports this."""
