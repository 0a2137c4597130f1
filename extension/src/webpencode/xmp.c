#include "xmp.h"

#include <stdio.h>
#include <string.h>

/* A part of the packet. */
typedef struct {
    const char *start;
    size_t length;
} span;

enum { MAX_PREFIXES = 32, ID_LENGTH = 32 };

static const char TIFF[] = "http://ns.adobe.com/tiff/1.0/";
static const char EXIF[] = "http://ns.adobe.com/exif/1.0/";
static const char NOTE[] = "http://ns.adobe.com/xmp/note/";

/* The prefixes that a packet binds to one namespace; an empty prefix is the default namespace. Their scope is ignored:
   no writer binds one prefix to two namespaces. */
typedef struct {
    const char *namespace;
    span prefixes[MAX_PREFIXES];
    int count;
} bindings;

static bool
equals(span part, const char *text)
{
    return part.length == strlen(text) && memcmp(part.start, text, part.length) == 0;
}

static const char *
find_text(const char *from, const char *end, const char *text)
{
    size_t length = strlen(text);

    for (; (size_t)(end - from) >= length; from++) {
        from = memchr(from, text[0], (size_t)(end - from));
        if (from == NULL || (size_t)(end - from) < length) {
            return NULL;
        }
        if (memcmp(from, text, length) == 0) {
            return from;
        }
    }
    return NULL;
}

/* Return the position behind a comment, a CDATA section, a processing instruction or an end tag at `from`, which is a
   '<'; NULL at the end of the packet. Returns `from` itself for a start tag. */
static const char *
skip_markup(const char *from, const char *end)
{
    static const struct {
        const char *first, *last;
    } kinds[] = {{"<!--", "-->"}, {"<![CDATA[", "]]>"}, {"<?", "?>"}, {"<!", ">"}, {"</", ">"}};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        size_t length = strlen(kinds[i].first);

        if ((size_t)(end - from) >= length && memcmp(from, kinds[i].first, length) == 0) {
            const char *last = find_text(from + length, end, kinds[i].last);

            return last == NULL ? NULL : last + strlen(kinds[i].last);
        }
    }
    return from;
}

/* Find the next start tag. `tag` is its text between '<' and '>'; `at` is moved behind it. */
static bool
next_tag(const char **at, const char *end, span *tag)
{
    const char *from = *at;

    while ((from = memchr(from, '<', (size_t)(end - from))) != NULL) {
        const char *behind = skip_markup(from, end);

        if (behind == NULL) {
            return false;
        }
        if (behind != from) {
            from = behind;
            continue;
        }
        char quote = 0;
        for (const char *to = from + 1; to < end; to++) {
            if (quote != 0) {
                quote = *to == quote ? 0 : quote;
            }
            else if (*to == '"' || *to == '\'') {
                quote = *to;
            }
            else if (*to == '>') {
                *tag = (span){.start = from + 1, .length = (size_t)(to - from) - 1};
                *at = to + 1;
                return true;
            }
        }
        return false;
    }
    return false;
}

static bool
is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Read the name at `at` and move behind it. */
static span
read_name(const char **at, const char *end)
{
    const char *from = *at;

    while (*at < end && !is_space(**at) && **at != '=' && **at != '/') {
        (*at)++;
    }
    return (span){.start = from, .length = (size_t)(*at - from)};
}

/* Find the next attribute of a tag, from `at`, which is moved behind it. */
static bool
next_attribute(const char **at, const char *end, span *name, span *value)
{
    while (*at < end && (is_space(**at) || **at == '/')) {
        (*at)++;
    }
    *name = read_name(at, end);
    while (*at < end && is_space(**at)) {
        (*at)++;
    }
    if (name->length == 0 || *at == end || **at != '=') {
        return false;
    }
    (*at)++;
    while (*at < end && is_space(**at)) {
        (*at)++;
    }
    if (*at == end || (**at != '"' && **at != '\'')) {
        return false;
    }
    const char *close = memchr(*at + 1, **at, (size_t)(end - *at) - 1);
    if (close == NULL) {
        return false;
    }
    *value = (span){.start = *at + 1, .length = (size_t)(close - *at) - 1};
    *at = close + 1;
    return true;
}

static void
find_prefixes(const WebPData *xmp, bindings *bound)
{
    const char *at = (const char *)xmp->bytes;
    const char *end = at + xmp->size;
    span tag, name, value;

    while (next_tag(&at, end, &tag)) {
        const char *part = tag.start;
        const char *tag_end = tag.start + tag.length;

        (void)read_name(&part, tag_end);
        while (next_attribute(&part, tag_end, &name, &value)) {
            bool has_prefix = name.length > 6 && memcmp(name.start, "xmlns:", 6) == 0;

            if ((has_prefix || equals(name, "xmlns")) && equals(value, bound->namespace) &&
                bound->count < MAX_PREFIXES) {
                size_t skipped = has_prefix ? 6 : 5;

                bound->prefixes[bound->count++] =
                    (span){.start = name.start + skipped, .length = name.length - skipped};
            }
        }
    }
}

/* Whether a name is that of a property, with one of the prefixes of its namespace. */
static bool
is_property(span name, const char *property, const bindings *bound)
{
    const char *colon = memchr(name.start, ':', name.length);
    size_t prefix = colon == NULL ? 0 : (size_t)(colon - name.start);
    size_t skipped = colon == NULL ? 0 : prefix + 1;
    span local = {.start = name.start + skipped, .length = name.length - skipped};

    if (!equals(local, property)) {
        return false;
    }
    for (int i = 0; i < bound->count; i++) {
        if (bound->prefixes[i].length == prefix && memcmp(bound->prefixes[i].start, name.start, prefix) == 0) {
            return true;
        }
    }
    return false;
}

/* A packet that is being written. */
typedef struct {
    uint8_t *bytes;
    size_t size, capacity;
    bool failed;
} output;

static void
write_bytes(output *to, const char *bytes, size_t size)
{
    if (size > to->capacity - to->size) {
        size_t capacity = to->size + size + to->capacity / 2;
        uint8_t *larger = WebPMalloc(capacity);

        if (larger == NULL) {
            to->failed = true;
            return;
        }
        memcpy(larger, to->bytes, to->size);
        WebPFree(to->bytes);
        to->bytes = larger;
        to->capacity = capacity;
    }
    memcpy(to->bytes + to->size, bytes, size);
    to->size += size;
}

static bool
start_output(output *to, size_t capacity)
{
    *to = (output){.bytes = WebPMalloc(capacity + 1), .capacity = capacity + 1};
    return to->bytes != NULL;
}

static bool
finish_output(output *to, WebPData *data)
{
    if (to->failed) {
        WebPFree(to->bytes);
        return false;
    }
    *data = (WebPData){.bytes = to->bytes, .size = to->size};
    return true;
}

/* Return the number that a property must have, or -1 to keep it. */
static int
find_number(span name, const picture_facts *facts, const bindings *tiff, const bindings *exif)
{
    if (is_property(name, "Orientation", tiff)) {
        return facts->is_upright ? 1 : -1;
    }
    if (is_property(name, "ImageWidth", tiff) || is_property(name, "PixelXDimension", exif)) {
        return facts->width;
    }
    if (is_property(name, "ImageLength", tiff) || is_property(name, "PixelYDimension", exif)) {
        return facts->height;
    }
    if (is_property(name, "ColorSpace", exif)) {
        return facts->is_srgb ? 1 : -1;
    }
    return -1;
}

static void
write_number(output *to, int number)
{
    char text[16];

    write_bytes(to, text, (size_t)snprintf(text, sizeof(text), "%d", number));
}

bool
xmp_update(const WebPData *xmp, const picture_facts *facts, WebPData *updated)
{
    const char *at = (const char *)xmp->bytes;
    const char *end = at + xmp->size;
    const char *written = at;
    bindings tiff = {.namespace = TIFF};
    bindings exif = {.namespace = EXIF};
    span tag, name, value;
    output to;

    if (!start_output(&to, xmp->size)) {
        return false;
    }
    find_prefixes(xmp, &tiff);
    find_prefixes(xmp, &exif);
    while (next_tag(&at, end, &tag)) {
        const char *part = tag.start;
        const char *tag_end = tag.start + tag.length;
        int number = find_number(read_name(&part, tag_end), facts, &tiff, &exif);

        if (number >= 0 && (tag.length == 0 || tag_end[-1] != '/')) {
            const char *close = memchr(at, '<', (size_t)(end - at));

            if (close != NULL && end - close > 1 && close[1] == '/') {
                write_bytes(&to, written, (size_t)(at - written));
                write_number(&to, number);
                written = at = close;
            }
        }
        while (next_attribute(&part, tag_end, &name, &value)) {
            number = find_number(name, facts, &tiff, &exif);
            if (number >= 0) {
                write_bytes(&to, written, (size_t)(value.start - written));
                write_number(&to, number);
                written = value.start + value.length;
            }
        }
    }
    write_bytes(&to, written, (size_t)(end - written));
    return finish_output(&to, updated);
}

/* Find the value of the reference to an extension, and the part of the packet that has to be removed with it. */
static bool
find_reference(const WebPData *xmp, span *value, span *whole)
{
    const char *at = (const char *)xmp->bytes;
    const char *end = at + xmp->size;
    bindings note = {.namespace = NOTE};
    span tag, name;

    find_prefixes(xmp, &note);
    while (next_tag(&at, end, &tag)) {
        const char *part = tag.start;
        const char *tag_end = tag.start + tag.length;

        if (is_property(read_name(&part, tag_end), "HasExtendedXMP", &note)) {
            const char *close = memchr(at, '<', (size_t)(end - at));
            const char *behind = close == NULL ? NULL : find_text(close, end, ">");

            *value = (span){.start = at, .length = close == NULL ? 0 : (size_t)(close - at)};
            *whole = (span){.start = tag.start - 1};
            whole->length = behind == NULL ? 0 : (size_t)(behind + 1 - whole->start);
            return behind != NULL;
        }
        while (next_attribute(&part, tag_end, &name, value)) {
            if (is_property(name, "HasExtendedXMP", &note)) {
                *whole = (span){.start = name.start, .length = (size_t)(part - name.start)};
                return true;
            }
        }
    }
    return false;
}

const uint8_t *
xmp_extension_id(const WebPData *xmp)
{
    span value, whole;

    return find_reference(xmp, &value, &whole) && value.length == ID_LENGTH ? (const uint8_t *)value.start : NULL;
}

/* Return the end tag of the last rdf:RDF element, or NULL. */
static const char *
find_end_of_rdf(const char *from, const char *end)
{
    const char *last = NULL;

    for (const char *at = from; (at = find_text(at, end, ":RDF")) != NULL; at++) {
        const char *open = at;

        while (open > from && *open != '<') {
            open--;
        }
        if (open[0] == '<' && open[1] == '/') {
            last = open;
        }
    }
    return last;
}

bool
xmp_join(const WebPData *xmp, const WebPData *extension, WebPData *joined)
{
    const char *start = (const char *)xmp->bytes;
    const char *end = start + xmp->size;
    const char *more = (const char *)extension->bytes;
    const char *more_end = more + extension->size;
    const char *insert = find_end_of_rdf(start, end);
    const char *stop = find_end_of_rdf(more, more_end);
    span tag, value, whole;
    output to;
    bool is_open = false;

    /* The elements of the extension's rdf:RDF. */
    while (!is_open && next_tag(&more, more_end, &tag)) {
        const char *part = tag.start;
        span name = read_name(&part, tag.start + tag.length);

        is_open = name.length >= 4 && memcmp(name.start + name.length - 4, ":RDF", 4) == 0;
    }
    if (!is_open || insert == NULL || stop == NULL || stop < more || !find_reference(xmp, &value, &whole) ||
        whole.start > insert) {
        *joined = (WebPData){NULL, 0};
        return true;
    }
    if (!start_output(&to, xmp->size + extension->size)) {
        return false;
    }
    write_bytes(&to, start, (size_t)(whole.start - start));
    write_bytes(&to, whole.start + whole.length, (size_t)(insert - whole.start) - whole.length);
    write_bytes(&to, more, (size_t)(stop - more));
    write_bytes(&to, insert, (size_t)(end - insert));
    return finish_output(&to, joined);
}
