"""The rows of a nutrition table: names in many languages and figures as printed."""
# ruff: noqa: RUF001 - letters of other scripts that look Latin are meant as they stand

from __future__ import annotations

from typing import NamedTuple

import numpy as np

TITLES = {
    "en": ("Nutrition information", "Nutrition", "Nutritional values", "Nutrition Facts", "Typical values"),
    "fr": (
        "Valeurs nutritionnelles",
        "Déclaration nutritionnelle",
        "Valeurs nutritionnelles moyennes",
        "Informations nutritionnelles",
    ),
    "de": ("Nährwerte", "Nährwertangaben", "Durchschnittliche Nährwerte", "Nährwertdeklaration"),
    "es": ("Información nutricional", "Valores medios"),
    "it": ("Dichiarazione nutrizionale", "Valori nutrizionali medi"),
    "nl": ("Voedingswaarden", "Gemiddelde voedingswaarde"),
    "pl": ("Wartość odżywcza", "Informacja o wartości odżywczej"),
    "ru": ("Пищевая ценность",),
    "el": ("Διατροφική δήλωση",),
    "ar": ("القيمة الغذائية",),
    "he": ("סימון תזונתי",),
    "ja": ("栄養成分表示",),
}
ROWS = {
    "en": (
        "Energy",
        "Fat",
        "of which saturates",
        "Carbohydrate",
        "of which sugars",
        "Fibre",
        "Protein",
        "Salt",
    ),
    "fr": (
        "Énergie",
        "Matières grasses",
        "dont acides gras saturés",
        "Glucides",
        "dont sucres",
        "Fibres alimentaires",
        "Protéines",
        "Sel",
    ),
    "de": (
        "Energie",
        "Fett",
        "davon gesättigte Fettsäuren",
        "Kohlenhydrate",
        "davon Zucker",
        "Ballaststoffe",
        "Eiweiß",
        "Salz",
    ),
    "es": (
        "Valor energético",
        "Grasas",
        "de las cuales saturadas",
        "Hidratos de carbono",
        "de los cuales azúcares",
        "Fibra alimentaria",
        "Proteínas",
        "Sal",
    ),
    "it": (
        "Energia",
        "Grassi",
        "di cui acidi grassi saturi",
        "Carboidrati",
        "di cui zuccheri",
        "Fibre",
        "Proteine",
        "Sale",
    ),
    "nl": (
        "Energie",
        "Vetten",
        "waarvan verzadigde vetzuren",
        "Koolhydraten",
        "waarvan suikers",
        "Vezels",
        "Eiwitten",
        "Zout",
    ),
    "pl": (
        "Wartość energetyczna",
        "Tłuszcz",
        "w tym kwasy nasycone",
        "Węglowodany",
        "w tym cukry",
        "Błonnik",
        "Białko",
        "Sól",
    ),
    "ru": (
        "Энергетическая ценность",
        "Жиры",
        "насыщенные",
        "Углеводы",
        "в т.ч. сахара",
        "Клетчатка",
        "Белки",
        "Соль",
    ),
    "el": (
        "Ενέργεια",
        "Λιπαρά",
        "εκ των οποίων κορεσμένα",
        "Υδατάνθρακες",
        "εκ των οποίων σάκχαρα",
        "Εδώδιμες ίνες",
        "Πρωτεΐνες",
        "Αλάτι",
    ),
    "ar": ("الطاقة", "الدهون", "دهون مشبعة", "كربوهيدرات", "سكريات", "ألياف", "بروتين", "ملح"),
    "he": ("אנרגיה", "שומנים", "שומן רווי", "פחמימות", "סוכרים", "סיבים", "חלבונים", "נתרן"),
    "ja": ("熱量", "脂質", "飽和脂肪酸", "炭水化物", "糖質", "食物繊維", "たんぱく質", "食塩相当量"),
}
SCRIPTS = {"ru": "cyrillic", "el": "greek", "ar": "arabic", "he": "hebrew", "ja": "cjk"}
SHARES = {
    "en": 0.2,
    "fr": 0.27,
    "de": 0.14,
    "es": 0.09,
    "it": 0.07,
    "nl": 0.07,
    "pl": 0.04,
    "ru": 0.04,
    "el": 0.03,
    "ar": 0.015,
    "he": 0.015,
    "ja": 0.02,
}
EXTRA = ("Calcium", "Vitamin C", "Vitamin D", "Iron", "Magnesium", "Potassium", "Vitamine B6", "Zinc")
FACTS_ROWS = (
    "Total Fat",
    "  Saturated Fat",
    "  Trans Fat",
    "Cholesterol",
    "Sodium",
    "Total Carbohydrate",
    "  Dietary Fiber",
    "  Total Sugars",
    "    Includes 2g Added Sugars",
    "Protein",
    "Vitamin D",
    "Calcium",
    "Iron",
    "Potassium",
)


class Row(NamedTuple):
    """A line of a table: its name, whether it belongs to the line above, and one text per number column."""

    name: str
    is_part: bool
    figures: tuple[str, ...]


class Table(NamedTuple):
    """The words of a table: script, title, heads of the number columns, rows."""

    script: str
    title: str
    heads: tuple[str, ...]
    rows: tuple[Row, ...]


def table(rng: np.random.Generator, columns: int) -> Table:
    """A table with 1 to 3 number columns in one language, or two languages side by side."""
    language = str(rng.choice(list(SHARES), p=list(SHARES.values())))
    names = list(ROWS[language])
    if language in ("nl", "fr", "de", "it") and rng.random() < 0.3:
        other = str(rng.choice(["fr", "nl", "de", "it", "pl"]))
        joint = str(rng.choice([" / ", "/\n", "\n"]))
        names = [f"{first}{joint}{second}" for first, second in zip(names, ROWS[other], strict=True)]
    if rng.random() < 0.06:
        languages = [str(name) for name in rng.choice(["pl", "ru", "it", "es", "de", "el"], 3, replace=False)]
        names = [
            f"{' / '.join(both[:2])}\n{both[2]}"
            for both in zip(*(ROWS[name] for name in languages), strict=True)
        ]
    portion = int(rng.choice([15, 25, 30, 40, 50, 125, 150, 200, 250]))
    unit = str(rng.choice(["g", "g", "g", "ml"]))
    heads = ("100 " + unit, f"{portion} {unit}", str(rng.choice(["%", "% RI", "%*", "% AR", "% VNR"])))[
        :columns
    ]
    if rng.random() < 0.4:
        heads = (str(rng.choice(["per ", "pour ", "pro ", "je ", "por ", "per "])) + heads[0], *heads[1:])
    comma = "," if rng.random() < 0.75 else "."
    rows = []
    for place, name in enumerate(names):
        if place == 5 and rng.random() < 0.4:
            continue
        rows.append(Row(name, place in (2, 4), _figures(rng, place, columns, portion, comma)))
    if rng.random() < 0.15:
        for name in rng.choice(EXTRA, int(rng.integers(1, 6)), replace=False):
            amount = f"{rng.uniform(0.5, 300):.1f} {rng.choice(['mg', 'µg'])}".replace(".", comma)
            rows.append(
                Row(
                    str(name),
                    False,
                    (amount, f"{int(rng.integers(3, 60))} %", "")[:columns] if columns > 1 else (amount,),
                )
            )
    return Table(SCRIPTS.get(language, "latin"), str(rng.choice(TITLES[language])), heads, tuple(rows))


def _figures(rng: np.random.Generator, place: int, columns: int, portion: int, comma: str) -> tuple[str, ...]:
    if place == 0:
        kcal = int(rng.integers(15, 620))
        joint = str(rng.choice([" / ", "/", " kJ / ", "\n", "/\n"]))
        texts = [
            f"{int(value * 4.18)}{joint if 'kJ' in joint else ' kJ' + joint}{value} kcal"
            for value in (kcal, kcal * portion // 100)
        ]
    else:
        amount = float(rng.choice([rng.uniform(0, 2), rng.uniform(0, 30), rng.uniform(0, 80)]))
        texts = [f"{value:.1f} g".replace(".", comma) for value in (amount, amount * portion / 100)]
        if rng.random() < 0.06:
            texts[0] = f"< 0{comma}5 g"
    return tuple([*texts, f"{int(rng.integers(0, 60))} %"][:columns])


def facts(rng: np.random.Generator) -> Table:
    """The rows of a North American "Nutrition Facts" panel."""
    rows = []
    for name in FACTS_ROWS[: int(rng.integers(8, len(FACTS_ROWS) + 1))]:
        unit = "mg" if name in ("Sodium", "Cholesterol", "Calcium", "Iron", "Potassium") else "g"
        share = f"{int(rng.integers(0, 45))}%" if rng.random() < 0.75 else ""
        rows.append(Row(f"{name} {int(rng.integers(0, 40))}{unit}", name.startswith(" "), (share,)))
    return Table("latin", "Nutrition Facts", ("% Daily Value*",), tuple(rows))
