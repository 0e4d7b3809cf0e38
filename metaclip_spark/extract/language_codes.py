"""The codes that lid176 gives, and the code that somebody means who writes a language's name or another code.

Names are those of Unicode's CLDR, in English and in the language itself; the other codes are those of ISO 639-2, 639-3
and older ones; and there are the codes of countries that are often taken for codes of languages.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from functools import cache

_TABLE = """
af: afrikaans, afr
als: alemannic, swiss german, schweizerdeutsch, gsw
am: amharic, አማርኛ, amh
an: aragonese, aragonés, arg
ar: arabic, العربية, ara, arb, eg
arz: egyptian arabic, masri
as: assamese, অসমীয়া, asm
ast: asturian, asturianu
av: avaric, ava
az: azerbaijani, azərbaycan, aze, azj, azeri
azb: south azerbaijani
ba: bashkir, башҡорт, bak
bar: bavarian
bcl: central bikol, bikol
be: belarusian, беларуская, bel, belarussian, byelorussian
bg: bulgarian, български, bul
bh: bihari, bho, bhojpuri
bn: bangla, বাংলা, ben, bengali, bd
bo: tibetan, བོད་སྐད་, bod, tib
bpy: bishnupriya
br: breton, brezhoneg, bre
bs: bosnian, bosanski, bos
bxr: buryat, bua
ca: catalan, català, cat, valencian, valencià
cbk: chavacano
ce: chechen, нохчийн, che
ceb: cebuano
ckb: central kurdish, کوردیی ناوەندی, sorani
co: corsican, corsu, cos
cs: czech, čeština, ces, cze, cz
cv: chuvash, чӑваш чӗлхи, chv
cy: welsh, cymraeg, cym, wel
da: danish, dansk, dan, dk
de: german, deutsch, deu, ger, at, de-de
diq: zazaki, zza
dsb: lower sorbian, dolnoserbšćina
dty: doteli
dv: divehi, ދިވެހިބަސް, div, maldivian
el: greek, ελληνικά, ell, gre, gr
eml: emiliano-romagnolo
en: english, eng, anglais, inglés, englisch, us, gb
eo: esperanto, epo
es: spanish, español, spa, castilian, castellano, mx
et: estonian, eesti, ekk, est, ee
eu: basque, euskara, baq, eus
fa: persian, فارسی, fas, per, pes, farsi, ir, prs, dari
fi: finnish, suomi, fin, finn
fr: french, français, fra, fre, francais
frr: northern frisian, nordfriisk
fy: western frisian, frysk, fry, frisian
ga: irish, gaeilge, gle
gd: scottish gaelic, gàidhlig, gla, gaelic
gl: galician, galego, glg, gallego
gn: guarani, avañe’ẽ, grn, gug
gom: goan konkani, konkani, kok
gu: gujarati, ગુજરાતી, guj, prp
gv: manx, gaelg, glv
he: hebrew, עברית, heb, iw, il
hi: hindi, हिन्दी, hin
hif: fiji hindi
hr: croatian, hrvatski, hrv, scr, croat
hsb: upper sorbian, hornjoserbšćina
ht: haitian creole, kreyòl ayisyen, hat, haitian, creole
hu: hungarian, magyar, hun
hy: armenian, հայերեն, arm, hye
ia: interlingua, ina
id: indonesian, indonesia, in, ind, bahasa indonesia, bahasa
ie: interlingue, ile
ilo: iloko
io: ido
is: icelandic, íslenska, ice, isl
it: italian, italiano, ita
ja: japanese, 日本語, jpn, jp
jbo: lojban, la .lojban.
jv: javanese, jawa, jav, jw
ka: georgian, ქართული, geo, kat, ge
kk: kazakh, қазақ тілі, kaz, kz
km: khmer, ខ្មែរ, khm, cambodian
kn: kannada, ಕನ್ನಡ, kan
ko: korean, 한국어, kor, kr
krc: karachay-balkar
ku: kurdish, kurdî (kurmancî), kmr, kur, kurmanji
kv: komi, kom, kpv
kw: cornish, kernewek, cor
ky: kyrgyz, кыргызча, kir, kirghiz, kyrgiz
la: latin, latina, lat
lb: luxembourgish, lëtzebuergesch, ltz
lez: lezghian
li: limburgish, lim, limburgan
lmo: lombard
lo: lao, ລາວ
lrc: northern luri, لۊری شومالی, luri
lt: lithuanian, lietuvių, lit
lv: latvian, latviešu, lav, lvs
mai: maithili, मैथिली
mg: malagasy, mlg, plt
mhr: eastern mari, mari
min: minangkabau
mk: macedonian, македонски, mac, mkd
ml: malayalam, മലയാളം, mal
mn: mongolian, монгол, drh, khk, mon
mr: marathi, मराठी, mar
mrj: western mari
ms: malay, melayu, may, msa, zsm, bahasa melayu, bahasa malaysia, malaysian
mt: maltese, malti, mlt
mwl: mirandese
my: burmese, မြန်မာ, bur, mya, myanmar
myv: erzya, эрзянь кель
mzn: mazanderani, مازرونی
nah: nahuatl, nci, aztec
nap: neapolitan
nds: low german, neddersass’sch, low saxon
ne: nepali, नेपाली, nep, npi
new: newari, nepal bhasa
nl: dutch, nederlands, dut, nld, flemish, vlaams
nn: norwegian nynorsk, norsk nynorsk, nno, nynorsk
no: norwegian, norsk, nor, nb, nob, bokmal, bokmål, norwegian bokmål, norwegian bokmal
oc: occitan, oci
or: odia, ଓଡ଼ିଆ, ori, ory, oriya
os: ossetic, ирон, oss
pa: punjabi, ਪੰਜਾਬੀ, pan, panjabi
pam: pampanga
pfl: palatine german
pl: polish, polski, pol
pms: piedmontese, piemontèis
pnb: western punjabi, shahmukhi
ps: pashto, پښتو, pbu, pus, pashtu, pushto
pt: portuguese, português, por, brazilian, brazilian portuguese
qu: quechua, runasimi, que, quz
rm: romansh, rumantsch, roh, romansch
ro: romanian, română, mo, mol, ron, rum, moldovan, moldavian
ru: russian, русский, rus
rue: rusyn
sa: sanskrit, संस्कृत भाषा, cls, san
sah: yakut, саха тыла
sc: sardinian, sardu, src, srd
scn: sicilian, sicilianu
sco: scots
sd: sindhi, سنڌي, snd
sh: serbo-croatian, hbs
si: sinhala, සිංහල, sin, sinhalese
sk: slovak, slovenčina, slk, slo
sl: slovenian, slovenščina, slv, slovene
so: somali, soomaali, som
sq: albanian, shqip, alb, sqi, al
sr: serbian, српски, scc, srp, rs
su: sundanese, basa sunda, sun
sv: swedish, svenska, swe, se
sw: swahili, kiswahili, swa, swh
ta: tamil, தமிழ், tam
te: telugu, తెలుగు, tel
tg: tajik, тоҷикӣ, tgk
th: thai, ไทย, tha
tk: turkmen, türkmen dili, tuk
tl: tagalog, filipino, fil, tgl, pilipino, ph
tr: turkish, türkçe, tur, turkce
tt: tatar, татар, tat, tartar
tyv: tuvinian, тыва
ug: uyghur, ئۇيغۇرچە, uig, uighur
uk: ukrainian, українська, ukr, ua
ur: urdu, اردو, urd, pk
uz: uzbek, o‘zbek, uzb, uzn
vec: venetian, veneto
vep: veps
vi: vietnamese, tiếng việt, vie, vn, tieng viet
vls: west flemish
vo: volapük, vol
wa: walloon, walon, wln
war: waray, waray-waray
wuu: wu chinese, shanghainese
xal: kalmyk, oirat
xmf: mingrelian
yi: yiddish, ייִדיש, ji, ydd, yid
yo: yoruba, èdè yorùbá, yor
yue: cantonese, 粵語, hk
zh: chinese, 中文, chi, cmn, zho, mandarin, simplified chinese, traditional chinese, putonghua, hans, hant, cn, tw
"""

LID176_CODES = frozenset(line.partition(":")[0] for line in _TABLE.split("\n") if line)
"""The codes of the languages that lid176 knows: those of ISO 639-1, or of 639-3 for a language without one."""

_SPECIAL = {
    "all": ("all", "any", "every", "everything", "auto", "*", "multi", "multilingual", "mul"),
    "und": ("und", "unknown", "undefined", "undetermined", "unk", "n/a", "other"),
}
_SIMILAR = 0.8
_SHORTEST_NAME = 4


def code_meant(text: str, similar: bool = True) -> str | None:
    """Return the code of lid176 that a text means: und, all, or a language's; None if that is not clear.

    Args:
        similar: look for similar names too, for a name that is misspelt.

    >>> [code_meant(text) for text in ("English", "zh-cn", "en_US", "deu", "jp", "germn", "xx")]
    ['en', 'zh', 'en', 'de', 'ja', 'de', None]
    """
    meant = _meanings()
    name = _folded(re.sub(r"\(.*\)|\blanguage\b", "", text.casefold()))
    tag = name.replace("_", "-").split("-")[0]
    for form in (name, name.replace("_", " ").replace("-", " "), tag):
        if form in meant:
            return meant[form]
    if not similar or len(name) < _SHORTEST_NAME:
        return None
    names = [known for known in meant if len(known) >= _SHORTEST_NAME]
    closest = difflib.get_close_matches(name, names, 1, _SIMILAR)
    return meant[closest[0]] if closest else None


@cache
def _meanings() -> dict[str, str]:
    """Return names and codes in lower case -> code of lid176; a code of lid176 is always itself."""
    meant: dict[str, str] = {}
    for line in _TABLE.strip().split("\n"):
        code, _, names = line.partition(":")
        for name in names.split(","):
            for form in (name.strip(), _without_accents(name.strip())):
                meant.setdefault(_folded(form), code)
    meant.update({name: code for code, names in _SPECIAL.items() for name in names})
    return meant | {code: code for code in LID176_CODES}


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().strip("\"'[]").strip().casefold()


def _without_accents(text: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
