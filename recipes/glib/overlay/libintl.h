/* A gettext for C libraries without one: every message is returned untranslated. Wheels contain no message catalogs, so
   GNU libintl would return the same. */
#ifndef EVERYWHEEL_LIBINTL_H
#define EVERYWHEEL_LIBINTL_H

#define gettext(message) ((char *) (message))
#define dgettext(domain, message) ((void) (domain), gettext (message))
#define dcgettext(domain, message, category) ((void) (category), dgettext (domain, message))
#define ngettext(one, many, number) ((char *) ((number) == 1 ? (one) : (many)))
#define dngettext(domain, one, many, number) ((void) (domain), ngettext (one, many, number))
#define dcngettext(domain, one, many, number, category) ((void) (category), dngettext (domain, one, many, number))
#define textdomain(domain) ((char *) ((domain) ? (domain) : "messages"))
#define bindtextdomain(domain, folder) ((void) (domain), (char *) (folder))
#define bind_textdomain_codeset(domain, codeset) ((void) (domain), (char *) (codeset))

#endif
