#!/bin/sh
# Prints where the files of this libpq are: upstream's pg_config is a program of the target, which the build machine may not
# run. There are no values of a server.
prefix=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd) || exit 1
[ $# -gt 0 ] || set -- --bindir --includedir --pkgincludedir --includedir-server --libdir --version
for option; do
    case $option in
        --bindir) echo "$prefix/bin" ;;
        --includedir | --pkgincludedir | --includedir-server) echo "$prefix/include" ;;
        --libdir | --pkglibdir) echo "$prefix/lib" ;;
        --cflags | --cppflags | --ldflags | --ldflags_ex | --ldflags_sl | --libs) echo ;;
        --version) echo "PostgreSQL @VERSION@" ;;
        *)
            echo "pg_config: invalid argument: $option" >&2
            exit 1
            ;;
    esac
done
