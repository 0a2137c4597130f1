/* Checks the features that the recipe of libxml2 declares; prints the name of each feature that is missing. */
#include <libxml/HTMLparser.h>
#include <libxml/encoding.h>
#include <libxml/parser.h>
#include <libxml/xmlschemas.h>
#include <libxml/xpath.h>
#include <stdio.h>
#include <string.h>

static int has_encoding(const char *name) {
    xmlCharEncodingHandlerPtr handler = xmlFindCharEncodingHandler(name);
    int exists = handler != NULL;

    if (handler != NULL)
        xmlCharEncCloseFunc(handler);
    return exists;
}

static int can_validate(void) {
    static const char schema[] = "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'>"
                                 "<xs:element name='n' type='xs:integer'/></xs:schema>";
    xmlSchemaParserCtxtPtr context = xmlSchemaNewMemParserCtxt(schema, sizeof(schema) - 1);
    xmlSchemaPtr parsed = xmlSchemaParse(context);
    xmlSchemaValidCtxtPtr validator = parsed != NULL ? xmlSchemaNewValidCtxt(parsed) : NULL;
    xmlDocPtr document = xmlReadMemory("<n>7</n>", 8, NULL, NULL, 0);
    int is_valid = validator != NULL && xmlSchemaValidateDoc(validator, document) == 0;

    xmlFreeDoc(document);
    xmlSchemaFreeValidCtxt(validator);
    xmlSchemaFree(parsed);
    xmlSchemaFreeParserCtxt(context);
    return is_valid;
}

static int can_find(void) {
    xmlDocPtr document = xmlReadMemory("<a><b/><b/></a>", 15, NULL, NULL, 0);
    xmlXPathContextPtr context = xmlXPathNewContext(document);
    xmlXPathObjectPtr result = xmlXPathEvalExpression(BAD_CAST "count(//b)", context);
    int is_right = result != NULL && result->floatval == 2.0;

    xmlXPathFreeObject(result);
    xmlXPathFreeContext(context);
    xmlFreeDoc(document);
    return is_right;
}

static int can_read_html(void) {
    htmlDocPtr document = htmlReadMemory("<p>text", 7, NULL, NULL, HTML_PARSE_NOERROR);
    xmlNodePtr root = document != NULL ? xmlDocGetRootElement(document) : NULL;
    int is_right = root != NULL && strcmp((const char *)root->name, "html") == 0;

    xmlFreeDoc(document);
    return is_right;
}

static int has_feature(const char *name) {
    if (strcmp(name, "html") == 0)
        return can_read_html();
    if (strcmp(name, "iconv") == 0)
        return has_encoding("windows-1252");
    if (strcmp(name, "iso8859x") == 0)
        return xmlHasFeature(XML_WITH_ISO8859X) && has_encoding("ISO-8859-15");
    if (strcmp(name, "schemas") == 0)
        return can_validate();
    if (strcmp(name, "xpath") == 0)
        return can_find();
    return strcmp(name, "zlib") == 0 && xmlHasFeature(XML_WITH_ZLIB);
}

int main(int count, char **features) {
    int missing = 0;

    for (int i = 1; i < count; i++) {
        if (!has_feature(features[i])) {
            puts(features[i]);
            missing = 1;
        }
    }
    xmlCleanupParser();
    return missing;
}
