/* The definitions of a header of macOS that zig does not have: where the system has its time zones. */
#define TZDEFAULT "/etc/localtime"
#define TZDIR "/var/db/timezone/zoneinfo"
