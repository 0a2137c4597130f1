/* Checks the features that the recipe of harfbuzz declares; prints the name of each feature that is missing. */
#include <hb-ot.h>
#include <hb-subset.h>
#include <hb.h>
#include <stdio.h>
#include <string.h>

/* The header is installed with the feature only. The function is declared here, since the header needs those of freetype. */
#if __has_include(<hb-ft.h>)
extern int hb_ft_font_get_load_flags(hb_font_t *font);
#else
#define hb_ft_font_get_load_flags(font) -1
#endif

/* In a font without tables every character is glyph 0, and the letters of a word from right to left are reversed. */
static int has_shape(void) {
    const char text[] = "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d";
    hb_face_t *face = hb_face_create(hb_blob_get_empty(), 0);
    hb_font_t *font = hb_font_create(face);
    hb_buffer_t *buffer = hb_buffer_create();
    hb_glyph_info_t *glyphs;
    unsigned int count;
    int is_right;

    hb_buffer_add_utf8(buffer, text, -1, 0, -1);
    hb_buffer_guess_segment_properties(buffer);
    hb_shape(font, buffer, NULL, 0);
    glyphs = hb_buffer_get_glyph_infos(buffer, &count);
    is_right = hb_buffer_get_script(buffer) == HB_SCRIPT_HEBREW &&
               hb_buffer_get_direction(buffer) == HB_DIRECTION_RTL && count == 4 && glyphs[0].cluster == 6 &&
               glyphs[3].cluster == 0;
    hb_buffer_destroy(buffer);
    hb_font_destroy(font);
    hb_face_destroy(face);
    return is_right;
}

static void add_table(hb_face_t *face, hb_tag_t tag, const char *data, unsigned int size) {
    hb_blob_t *blob = hb_blob_create(data, size, HB_MEMORY_MODE_READONLY, NULL, NULL);

    hb_face_builder_add_table(face, tag, blob);
    hb_blob_destroy(blob);
}

/* Of a font with three glyphs, two of which are those of 'a' and 'b', the first two remain. */
static int has_subset(void) {
    static const char maxp[] = "\0\0\x50\0\0\3";
    static const char cmap[] = "\0\0\0\1\0\3\0\xa\0\0\0\xc\0\xc\0\0\0\0\0\x1c\0\0\0\0\0\0\0\1"
                               "\0\0\0a\0\0\0b\0\0\0\1";
    hb_face_t *face = hb_face_builder_create(), *subset;
    hb_subset_input_t *input = hb_subset_input_create_or_fail();
    hb_set_t *characters = hb_set_create();
    int is_right;

    add_table(face, HB_TAG('m', 'a', 'x', 'p'), maxp, sizeof maxp - 1);
    add_table(face, HB_TAG('c', 'm', 'a', 'p'), cmap, sizeof cmap - 1);
    hb_set_add(hb_subset_input_unicode_set(input), 'a');
    subset = hb_subset_or_fail(face, input);
    hb_face_collect_unicodes(subset, characters);
    is_right = subset != NULL && hb_face_get_glyph_count(face) == 3 && hb_face_get_glyph_count(subset) == 2 &&
               hb_set_get_population(characters) == 1 && hb_set_has(characters, 'a');
    hb_set_destroy(characters);
    hb_subset_input_destroy(input);
    hb_face_destroy(subset);
    hb_face_destroy(face);
    return is_right;
}

static int has_unicode(void) {
    hb_unicode_funcs_t *functions = hb_unicode_funcs_get_default();
    hb_codepoint_t composed = 0;

    return hb_unicode_compose(functions, 'e', 0x301, &composed) && composed == 0xe9 &&
           hb_unicode_script(functions, 0x905) == HB_SCRIPT_DEVANAGARI;
}

static int has_feature(const char *name) {
    if (strcmp(name, "freetype") == 0)
        return hb_ft_font_get_load_flags(hb_font_get_empty()) == 0;
    if (strcmp(name, "shape") == 0)
        return has_shape();
    return strcmp(name, "subset") == 0 ? has_subset() : strcmp(name, "unicode") == 0 && has_unicode();
}

int main(int count, char **features) {
    int missing = 0;

    for (int i = 1; i < count; i++) {
        if (!has_feature(features[i])) {
            puts(features[i]);
            missing = 1;
        }
    }
    return missing;
}
