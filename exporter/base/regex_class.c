/* SPDX-License-Identifier: Apache-2.0 */

/* Classes as tables. Those of ASCII are spelt out, because PCRE2's differ (its \s has the vertical
 * tab) and do not follow (?i); those of Unicode are PCRE2's own. */
#include "base/regex_class.h"

#include "base/macros.h"

#define LAST_CHARACTER 0x10ffff
#define LONG_S         0x17f  /* folds to s */
#define KELVIN_SIGN    0x212a /* folds to k */

struct ascii_class {
    const char *name;
    unsigned char ranges[4][2]; /* from, to; ends with to = 0 */
};

/* clang-format off */
static const struct ascii_class perl_classes[] = {
    {"d", {{'0', '9'}}},
    {"s", {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}}},
    {"w", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
};

static const struct ascii_class posix_classes[] = {
    {"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}},
    {"alpha", {{'A', 'Z'}, {'a', 'z'}}},
    {"ascii", {{0, 0x7f}}},
    {"blank", {{'\t', '\t'}, {' ', ' '}}},
    {"cntrl", {{0, 0x1f}, {0x7f, 0x7f}}},
    {"digit", {{'0', '9'}}},
    {"graph", {{'!', '~'}}},
    {"lower", {{'a', 'z'}}},
    {"print", {{' ', '~'}}},
    {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
    {"space", {{'\t', '\r'}, {' ', ' '}}},
    {"upper", {{'A', 'Z'}}},
    {"word", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
    {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}},
};
/* clang-format on */

const struct ascii_class *ascii_class_perl(char letter) {
    for (size_t i = 0; i < ARRAY_LEN(perl_classes); i++) {
        if (perl_classes[i].name[0] == letter) {
            return &perl_classes[i];
        }
    }
    return NULL;
}

const struct ascii_class *ascii_class_posix(struct str name) {
    for (size_t i = 0; i < ARRAY_LEN(posix_classes); i++) {
        if (str_is(name, posix_classes[i].name)) {
            return &posix_classes[i];
        }
    }
    return NULL;
}

static bool is_word(uint32_t c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

void class_write_character(struct strbuf *out, uint32_t character) {
    if (is_word(character)) {
        strbuf_add_char(out, (char)character);
    } else if (character > ' ' && character < 0x7f) {
        strbuf_add_char(out, '\\');
        strbuf_add_char(out, (char)character);
    } else {
        strbuf_printf(out, "\\x{%x}", character);
    }
}

static void write_range(struct strbuf *out, uint32_t from, uint32_t to) {
    class_write_character(out, from);
    if (to > from) {
        strbuf_add_char(out, '-');
        class_write_character(out, to);
    }
}

static bool has(const struct ascii_class *class, uint32_t c) {
    for (size_t i = 0; i < ARRAY_LEN(class->ranges) && class->ranges[i][1] != 0; i++) {
        if (c >= class->ranges[i][0] && c <= class->ranges[i][1]) {
            return true;
        }
    }
    return false;
}

static bool has_folded(const struct ascii_class *class, uint32_t c) {
    const uint32_t letter = c | 0x20;
    return has(class, c) || (letter >= 'a' && letter <= 'z' && has(class, c ^ 0x20));
}

static void write_ascii(const struct ascii_class *class, bool negated, bool fold,
                        struct strbuf *out) {
    for (uint32_t from = 0, to; from < 0x80; from = to + 1) {
        to = from;
        if ((fold ? has_folded(class, from) : has(class, from)) == negated) {
            continue;
        }
        while (to + 1 < 0x80 &&
               (fold ? has_folded(class, to + 1) : has(class, to + 1)) != negated) {
            to++;
        }
        write_range(out, from, to);
    }
}

/* What is written is closed under folding, so that PCRE2 adds nothing to it. */
void ascii_class_write(const struct ascii_class *class, bool negated, bool fold,
                       struct strbuf *out) {
    const bool long_s = fold && has_folded(class, 's'), kelvin = fold && has_folded(class, 'k');
    write_ascii(class, negated, fold, out);
    if (!negated) {
        if (long_s) {
            class_write_character(out, LONG_S);
        }
        if (kelvin) {
            class_write_character(out, KELVIN_SIGN);
        }
        return;
    }
    uint32_t from = 0x80;
    if (long_s) {
        write_range(out, from, LONG_S - 1);
        from = LONG_S + 1;
    }
    if (kelvin) {
        write_range(out, from, KELVIN_SIGN - 1);
        from = KELVIN_SIGN + 1;
    }
    write_range(out, from, LAST_CHARACTER);
}

void ascii_class_write_alone(const struct ascii_class *class, bool negated, bool fold,
                             struct strbuf *out) {
    strbuf_add_text(out, negated ? "[^" : "[");
    ascii_class_write(class, false, fold, out);
    strbuf_add_char(out, ']');
}

/* --- Unicode --- */

static const char *const categories[] = {
    "Any", "C",  "Cc", "Cf", "Co", "Cs", "L",  "Ll", "Lm", "Lo", "Lt", "Lu", "M",
    "Mc",  "Me", "Mn", "N",  "Nd", "Nl", "No", "P",  "Pc", "Pd", "Pe", "Pf", "Pi",
    "Po",  "Ps", "S",  "Sc", "Sk", "Sm", "So", "Z",  "Zl", "Zp", "Zs",
};

/* clang-format off */
static const char *const scripts[] = {
    "Adlam", "Ahom", "Anatolian_Hieroglyphs", "Arabic", "Armenian", "Avestan", "Balinese", "Bamum",
    "Bassa_Vah", "Batak", "Bengali", "Bhaiksuki", "Bopomofo", "Brahmi", "Braille", "Buginese",
    "Buhid", "Canadian_Aboriginal", "Carian", "Caucasian_Albanian", "Chakma", "Cham", "Cherokee",
    "Chorasmian", "Common", "Coptic", "Cuneiform", "Cypriot", "Cypro_Minoan", "Cyrillic", "Deseret",
    "Devanagari", "Dives_Akuru", "Dogra", "Duployan", "Egyptian_Hieroglyphs", "Elbasan", "Elymaic",
    "Ethiopic", "Georgian", "Glagolitic", "Gothic", "Grantha", "Greek", "Gujarati", "Gunjala_Gondi",
    "Gurmukhi", "Han", "Hangul", "Hanifi_Rohingya", "Hanunoo", "Hatran", "Hebrew", "Hiragana",
    "Imperial_Aramaic", "Inherited", "Inscriptional_Pahlavi", "Inscriptional_Parthian", "Javanese",
    "Kaithi", "Kannada", "Katakana", "Kayah_Li", "Kharoshthi", "Khitan_Small_Script", "Khmer",
    "Khojki", "Khudawadi", "Lao", "Latin", "Lepcha", "Limbu", "Linear_A", "Linear_B", "Lisu",
    "Lycian", "Lydian", "Mahajani", "Makasar", "Malayalam", "Mandaic", "Manichaean", "Marchen",
    "Masaram_Gondi", "Medefaidrin", "Meetei_Mayek", "Mende_Kikakui", "Meroitic_Cursive",
    "Meroitic_Hieroglyphs", "Miao", "Modi", "Mongolian", "Mro", "Multani", "Myanmar", "Nabataean",
    "Nandinagari", "New_Tai_Lue", "Newa", "Nko", "Nushu", "Nyiakeng_Puachue_Hmong", "Ogham",
    "Ol_Chiki", "Old_Hungarian", "Old_Italic", "Old_North_Arabian", "Old_Permic", "Old_Persian",
    "Old_Sogdian", "Old_South_Arabian", "Old_Turkic", "Old_Uyghur", "Oriya", "Osage", "Osmanya",
    "Pahawh_Hmong", "Palmyrene", "Pau_Cin_Hau", "Phags_Pa", "Phoenician", "Psalter_Pahlavi",
    "Rejang", "Runic", "Samaritan", "Saurashtra", "Sharada", "Shavian", "Siddham", "SignWriting",
    "Sinhala", "Sogdian", "Sora_Sompeng", "Soyombo", "Sundanese", "Syloti_Nagri", "Syriac",
    "Tagalog", "Tagbanwa", "Tai_Le", "Tai_Tham", "Tai_Viet", "Takri", "Tamil", "Tangsa", "Tangut",
    "Telugu", "Thaana", "Thai", "Tibetan", "Tifinagh", "Tirhuta", "Toto", "Ugaritic", "Vai",
    "Vithkuqi", "Wancho", "Warang_Citi", "Yezidi", "Yi", "Zanabazar_Square",
};
/* clang-format on */

/* What (?i) adds to a class: characters that fold to one of it. "": it cannot be written. */
static const struct {
    const char *name, *characters;
} folded[] = {
    {"Common", "\\x{39c}\\x{3bc}"},
    {"Greek", "\\x{b5}\\x{345}"},
    {"Inherited", "\\x{399}\\x{3b9}\\x{1fbe}"},
    {"L", "\\x{345}"},
    {"Ll", ""},
    {"Lt", ""},
    {"Lu", ""},
    {"M", "\\x{399}\\x{3b9}\\x{1fbe}"},
    {"Mn", "\\x{399}\\x{3b9}\\x{1fbe}"},
};

static bool is_one_of(struct str name, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (str_is(name, names[i])) {
            return true;
        }
    }
    return false;
}

static const char *folded_characters(struct str name) {
    for (size_t i = 0; i < ARRAY_LEN(folded); i++) {
        if (str_is(name, folded[i].name)) {
            return folded[i].characters;
        }
    }
    return NULL;
}

bool unicode_class_write(struct str name, bool negated, bool fold, bool in_brackets,
                         struct strbuf *out) {
    const bool script = is_one_of(name, scripts, ARRAY_LEN(scripts));
    const char *more = fold ? folded_characters(name) : NULL;
    const bool brackets = more != NULL && !in_brackets;
    if (!script && !is_one_of(name, categories, ARRAY_LEN(categories))) {
        return false;
    }
    if (more != NULL && (more[0] == '\0' || (negated && in_brackets))) {
        return false;
    }
    if (brackets) {
        strbuf_add_text(out, negated ? "[^" : "[");
    }
    /* Without "sc:" PCRE2 would take the script's extensions, too. */
    strbuf_printf(out, "\\%c{%s%.*s}", negated && !brackets ? 'P' : 'p', script ? "sc:" : "",
                  (int)name.len, name.data);
    strbuf_add_text(out, more != NULL ? more : "");
    strbuf_add_text(out, brackets ? "]" : "");
    return true;
}
