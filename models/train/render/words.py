"""The words that stand on packs: invented brands, product names, claims and small print in several languages."""
# ruff: noqa: RUF001 - letters of other scripts that look Latin are meant as they stand

from __future__ import annotations

import numpy as np


def _split(text: str, mark: str | None = None) -> list[str]:
    return text.split(mark)


ONSETS = _split("b br c ch cr d dr f fl g gr h j k kl l m n p pl pr qu r s sch sl st t tr v w z")
VOWELS = _split("a a a e e e i i o o u ä é è ö ü ou ai io ea y")
CODAS = ["", "", "", "", "l", "n", "r", "s", "t", "x", "ck", "nd", "sta", "lla", "ssi", "rt", "m"]
MAKERS = [
    "",
    "",
    "",
    "",
    "& Co",
    "Bros",
    "Frères",
    "Hof",
    "Foods",
    "Maison",
    "Farm",
    "Bio",
    "Gourmet",
    "Kitchen",
]

PRODUCTS = {
    "latin": _split(
        "Crunchy Muesli|Dark Chocolate|Tomato Soup|Olive Oil|Green Tea|Potato Chips|Salted Crackers|Oat Drink|Honey|"
        "Orange Juice|Basmati Rice|Penne Rigate|Peanut Butter|Lait demi-écrémé|Galettes au beurre|Compote de pommes|"
        "Confiture de fraises|Pois chiches|Yaourt nature|Jambon cuit|Crème fraîche|Vollkornbrot|Apfelsaft|Erdbeer Joghurt|"
        "Haselnuss Creme|Gemüsebrühe|Knäckebrot|Salsa picante|Aceite de oliva|Galletas María|Leche entera|Arroz largo|"
        "Caffè macinato|Passata di pomodoro|Biscotti al cioccolato|Volkoren pasta|Speculoos|Rødgrød|Hafregrjón|Żurek|"
        "Smoked Salmon|Lemon Sparkling Water|Vanilla Ice Cream|Barbecue Sauce|Instant Noodles|Trail Mix|Frozen Peas|"
        "Cheddar & Sour Cream|Chicken Tikka|Wild Rice|Cookies|Cola|Limonade|Shampoo|Dish Soap|Washing Powder|Cat Food",
        "|",
    ),
    "cyrillic": [
        "Молоко",
        "Печенье овсяное",
        "Томатный сок",
        "Гречка ядрица",
        "Шоколад молочный",
        "Кефир",
        "Майонез",
        "Хлеб ржаной",
        "Чай чёрный",
    ],
    "greek": _split("Ελαιόλαδο|Γιαούρτι|Μέλι θυμαρίσιο|Χυμός πορτοκάλι|Φέτα|Μπισκότα|Καφές", "|"),
    "hebrew": _split("חלב טרי|שוקולד מריר|מיץ תפוזים|חומוס|עוגיות|קפה טחון", "|"),
    "arabic": _split("حليب كامل الدسم|عصير برتقال|شوكولاتة|أرز بسمتي|زيت زيتون|تمر", "|"),
    "cjk": [
        "純天然牛乳",
        "抹茶クッキー",
        "即席ラーメン",
        "黒豆茶",
        "辣椒醬",
        "蜂蜜",
        "醤油",
        "海苔せんべい",
        "橙汁",
        "白米",
        "餅乾",
        "水果軟糖",
    ],
}
SCRIPT_SHARES = {
    "latin": 0.84,
    "cyrillic": 0.05,
    "greek": 0.025,
    "hebrew": 0.02,
    "arabic": 0.025,
    "cjk": 0.04,
}

CLAIMS = _split(
    "Original|NEW|Classic|100% natural|No added sugar|Family size|Source of fibre|Depuis 1921|Sans gluten|Sans palme|"
    "Vegan|Ohne Zuckerzusatz|Extra crunchy|Low fat|High protein|Light|Premium|Selection|Bio|Organic|Halal|Fair|"
    "Sin azúcar|Riche en fibres|Ready to eat|Prêt en 2 min|Made in Italy|Limited edition|-30% sel|Zero|Kosher|Pur jus",
    "|",
)
SEAL_WORDS = _split(
    "BIO ORGANIC VEGAN FAIR NATURAL PREMIUM QUALITY GLUTEN FREE ECO HALAL KOSHER ORIGINE FRANCE PUR TRADITION LABEL "
    "CERTIFIED SANS OGM AWARD 2024 GOLD RECYCLE FOREST PALM OIL LACTOSE AGRICULTURE VÉGÉTARIEN RSPO TASTE"
)
SMALL_PRINT = {
    "latin": _split(
        "ingredients: sugar, wheat flour, water, sunflower oil, skimmed milk powder, cocoa butter, salt, emulsifier (soya "
        "lecithin), raising agents, natural flavouring, glucose syrup, tomatoes 62 %, onion, garlic, pepper, spices, "
        "ingrédients: sucre, farine de blé, huile de tournesol, lait entier en poudre, sel, arôme naturel, émulsifiant, "
        "peut contenir des traces de fruits à coque, à conserver dans un endroit frais et sec, à consommer de préférence "
        "avant la date indiquée, Zutaten: Zucker, Weizenmehl, Palmöl, Magermilchpulver, Speisesalz, Backtriebmittel, kann "
        "Spuren von Nüssen enthalten, kühl und trocken lagern, mindestens haltbar bis, ingrediënten: tarwebloem, suiker, "
        "plantaardige olie, zout, ingredienti: farina di frumento, zucchero, olio di semi, può contenere tracce, conservar "
        "en lugar fresco, harina de trigo, azúcar, aceite de girasol, leche, puede contener, distributed by, made in, best "
        "before see lid, store in a cool dry place, once opened keep refrigerated and consume within 3 days, shake well, Énergie 2393 kJ / 574 kcal, matières grasses 37 g, glucides 54 g, protéines 5,4 g, sel 0,16 g, nutrition: fat 12 g, sugars 8 g"
    ),
    "cyrillic": _split(
        "состав: сахар, мука пшеничная, вода, масло подсолнечное, соль, молоко сухое, крахмал, яичный порошок, может "
        "содержать следы орехов, хранить в сухом прохладном месте, срок годности указан на упаковке, изготовитель"
    ),
    "greek": _split(
        "συστατικά: ζάχαρη, αλεύρι σίτου, νερό, ηλιέλαιο, αλάτι, γάλα σε σκόνη, μπορεί να περιέχει ίχνη ξηρών καρπών"
    ),
    "hebrew": _split(
        "רכיבים: סוכר, קמח חיטה, מים, שמן צמחי, מלח, אבקת חלב, עלול להכיל אגוזים, יש לשמור במקום קריר"
    ),
    "arabic": _split(
        "المكونات: سكر، دقيق القمح، ماء، زيت نباتي، ملح، حليب مجفف، قد يحتوي على آثار من المكسرات"
    ),
    "cjk": _split(
        "原材料名: 砂糖、小麦粉、 植物油脂、 食塩、 全粉乳、 香料、 乳化剤、 保存方法: 直射日光を 避けて 保存して ください 配料: 白砂糖、 食用盐"
    ),
}


def script(rng: np.random.Generator) -> str:
    """A writing system, most often Latin."""
    return str(rng.choice(list(SCRIPT_SHARES), p=list(SCRIPT_SHARES.values())))


def brand(rng: np.random.Generator) -> str:
    """An invented brand name in Latin letters."""
    syllables = int(rng.choice([1, 2, 2, 2, 3]))
    name = "".join(str(rng.choice(ONSETS)) + str(rng.choice(VOWELS)) for _ in range(syllables)) + str(
        rng.choice(CODAS)
    )
    maker = str(rng.choice(MAKERS))
    name = name[:11]
    if maker and rng.random() < 0.5:
        name = f"{name} {maker}"
    style = rng.random()
    return name.upper() if style < 0.4 else name.title() if style < 0.9 else name.lower()


def product(rng: np.random.Generator, writing: str) -> str:
    """A product's name in a writing system (a key of PRODUCTS)."""
    return str(rng.choice(PRODUCTS[writing]))


def claim(rng: np.random.Generator) -> str:
    """A short claim."""
    return str(rng.choice(CLAIMS))


def amount(rng: np.random.Generator) -> str:
    """A net quantity as printed."""
    number = rng.choice(
        [
            "80",
            "100",
            "125",
            "150",
            "200",
            "250",
            "330",
            "400",
            "500",
            "750",
            "1",
            "1,5",
            "2",
            "6 x 33",
            "4 x 125",
        ]
    )
    unit = (
        rng.choice(["kg", "L", "l"])
        if len(number) == 1 or "," in number
        else rng.choice(["g", "ml", "g e", "cl"])
    )
    return f"{number} {unit}"


def small_print(rng: np.random.Generator, writing: str, words: int) -> list[str]:
    """A run of small-print words: a slice of the stock text, repeated from the start where it ends."""
    stock = SMALL_PRINT[writing]
    start = int(rng.integers(len(stock)))
    return [stock[(start + offset) % len(stock)] for offset in range(words)]
