/* Checks the features that the recipe of expat declares; prints the name of each feature that is missing. */
#include <expat.h>
#include <stdio.h>
#include <string.h>

static void XMLCALL add_name(void *names, const XML_Char *name, const XML_Char **attributes) {
    (void)attributes;
    strcat(names, name);
    strcat(names, ";");
}

static int has_names(XML_Parser parser, const char *expected) {
    static const char text[] = "<?xml version='1.0' encoding='ISO-8859-1'?><a xmlns='urn:x'><b/></a>";
    char names[64] = "";
    int is_right;

    XML_SetUserData(parser, names);
    XML_SetStartElementHandler(parser, add_name);
    is_right = XML_Parse(parser, text, sizeof(text) - 1, XML_TRUE) == XML_STATUS_OK && strcmp(names, expected) == 0;
    XML_ParserFree(parser);
    return is_right;
}

static int can_parse(void) {
    return has_names(XML_ParserCreate(NULL), "a;b;");
}

static int has_namespaces(void) {
    return has_names(XML_ParserCreateNS(NULL, '|'), "urn:x|a;urn:x|b;");
}

static int has_feature(const char *name) {
    if (strcmp(name, "parse") == 0)
        return can_parse();
    if (strcmp(name, "namespaces") == 0)
        return has_namespaces();
    return 0;
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
