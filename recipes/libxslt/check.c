/* Checks the features that the recipe of libxslt declares; prints the name of each feature that is missing. */
#include <libexslt/exslt.h>
#include <libxslt/transform.h>
#include <libxslt/xslt.h>
#include <libxslt/xsltInternals.h>
#include <stdio.h>
#include <string.h>

#define SHEET(select)                                                                                                  \
    "<xsl:stylesheet version='1.0' xmlns:xsl='http://www.w3.org/1999/XSL/Transform' "                                  \
    "xmlns:m='http://exslt.org/math'><xsl:template match='/'><r><xsl:value-of select='" select                         \
    "'/></r></xsl:template></xsl:stylesheet>"

/* Returns whether a style sheet makes the text from a document with the numbers 3 and 4. */
static int makes(const char *sheet, const char *text) {
    xmlDocPtr source = xmlReadMemory(sheet, (int)strlen(sheet), NULL, NULL, 0);
    xmlDocPtr document = xmlReadMemory("<a><b>3</b><b>4</b></a>", 23, NULL, NULL, 0);
    xsltStylesheetPtr style = xsltParseStylesheetDoc(source);
    xmlDocPtr result = style != NULL ? xsltApplyStylesheet(style, document, NULL) : NULL;
    xmlChar *content = result != NULL ? xmlNodeGetContent(xmlDocGetRootElement(result)) : NULL;
    int is_right = content != NULL && strcmp((const char *)content, text) == 0;

    xmlFree(content);
    xmlFreeDoc(result);
    xmlFreeDoc(document);
    xsltFreeStylesheet(style);
    return is_right;
}

int main(int count, char **features) {
    int missing = 0;

    exsltRegisterAll();
    for (int i = 1; i < count; i++) {
        int works = strcmp(features[i], "xslt") == 0    ? makes(SHEET("sum(//b)"), "7")
                    : strcmp(features[i], "exslt") == 0 ? makes(SHEET("m:max(//b)"), "4")
                                                        : 0;
        if (!works) {
            puts(features[i]);
            missing = 1;
        }
    }
    return missing;
}
