"""Pictures of items, drawn by what they are: a shape for the department, a colour for the shelf."""

from __future__ import annotations

from hashlib import blake2b

_BOX = '<path d="M60 90l60-26 60 26v74l-60 26-60-26z"/><path d="M60 90l60 26 60-26M120 116v74"/>'
_CAN = (
    '<ellipse cx="120" cy="70" rx="46" ry="14"/>'
    '<path d="M74 70v100c0 18 92 18 92 0V70M74 104c0 18 92 18 92 0"/>'
)
_BOTTLE = (
    '<path d="M106 46h28v34c0 16 18 20 18 40v64c0 8-6 12-12 12H100c-6 0-12-4-12-12v-64c0-20 18-24 18-40z'
    'M88 134h64"/>'
)
_APPLE = (
    '<path d="M120 92c-22-18-60-6-56 40 3 34 26 62 42 58 8-2 20-2 28 0 16 4 39-24 42-58 4-46-34-58-56-40z"/>'
    '<path d="M120 92c0-20 8-34 24-42"/>'
)
_LOAF = '<path d="M58 112c-14-34 22-46 62-46s76 12 62 46v66H58zM96 66v112M144 66v112"/>'
_FLOWER = (
    '<circle cx="120" cy="92" r="15"/>'
    '<path d="M120 77c-24-40 48-40 0 0M135 92c40-24 40 48 0 0M120 107c24 40-48 40 0 0'
    'M105 92c-40 24-40-48 0 0"/>'
    '<path d="M120 122v70M120 160c18-18 30-16 38-16"/>'
)
_JAR = '<path d="M84 56h72v18H84zM78 74h84l8 22v82c0 8-6 12-12 12H82c-6 0-12-4-12-12V96zM70 120h100"/>'
_FISH = (
    '<path d="M50 122c30-48 84-48 112 0l30-28v56l-30-28c-28 48-82 48-112 0z"/>'
    '<circle cx="84" cy="114" r="5"/>'
)
_BAG = '<path d="M70 84h100l12 104H58zM94 96V76c0-34 52-34 52 0v20"/>'
_DROP = '<path d="M120 48c30 42 48 64 48 92 0 66-96 66-96 0 0-28 18-50 48-92z"/>'

_SHAPES = {
    "GROCERY": _CAN,
    "DRUG GM": _DROP,
    "PRODUCE": _APPLE,
    "COSMETICS": _JAR,
    "NUTRITION": _JAR,
    "MEAT": _BAG,
    "MEAT-PCKGD": _BAG,
    "DELI": _BAG,
    "PASTRY": _LOAF,
    "FLORAL": _FLOWER,
    "GARDEN CENTER": _FLOWER,
    "SEAFOOD": _FISH,
    "SEAFOOD-PCKGD": _FISH,
    "SPIRITS": _BOTTLE,
}
_SOME = (_BOX, _CAN, _BOTTLE, _APPLE, _LOAF, _JAR, _BAG, _DROP)


def picture(path: str) -> str:
    """Return an SVG for what stands under a category path."""
    department = path.partition(" > ")[0]
    number = int.from_bytes(blake2b(path.encode(), digest_size=4).digest(), "big")
    shape = _SHAPES.get(department, _SOME[len(department) % len(_SOME)])
    hue = number % 360
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 240 240" width="240" height="240">'
        f'<rect width="240" height="240" fill="hsl({hue} 45% 90%)"/>'
        f'<g fill="hsl({hue} 50% 78%)" stroke="hsl({hue} 45% 30%)" stroke-width="5" stroke-linejoin="round" '
        f'stroke-linecap="round">{shape}</g></svg>'
    )
