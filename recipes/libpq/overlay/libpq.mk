# Builds libpq without the server, with the parts of src/common and src/port that it contains; LINKAGE is shared or static.
subdir = .
top_builddir = .
include src/Makefile.global

client = src/interfaces/libpq
parts = $(filter-out %/config_info_shlib.o, $(wildcard src/common/*_shlib.o src/port/*_shlib.o))
# The exports of the recipe are the version script; without its own, upstream's makefile hides every symbol. Its prerequisites
# are the headers of the server.
make_client = $(MAKE) -C $(client) CFLAGS_SL_MODULE= SHLIB_EXPORTS= SHLIB_PREREQS=

.PHONY: client install-client parts shared static

client: $(LINKAGE)

parts:
	$(MAKE) -C src/include/catalog generated-headers
	$(PERL) src/backend/utils/generate-errcodes.pl --outfile src/include/utils/errcodes.h src/backend/utils/errcodes.txt
	$(MAKE) -C src/port libpgport_shlib.a
	$(MAKE) -C src/common libpgcommon_shlib.a

shared: parts
	+$(make_client) all-shared-lib libpq.pc

static: parts
	+$(make_client) all-static-lib libpq.pc
	$(MAKE) -f libpq.mk archive

# A make of its own, since the names of the objects are read when it starts.
archive:
	$(AR) qs $(client)/libpq.a $(parts)

install-client:
	+$(make_client) install-lib-$(LINKAGE) install-lib-pc
	sed -i 's/ -lpgcommon[a-z_]*//g; s/ -lpgport[a-z_]*//g' '$(DESTDIR)$(libdir)/pkgconfig/libpq.pc'
	$(MKDIR_P) '$(DESTDIR)$(includedir)/libpq' '$(DESTDIR)$(bindir)'
	$(INSTALL_DATA) $(client)/libpq-fe.h $(client)/libpq-events.h src/include/pg_config.h \
	    src/include/pg_config_manual.h src/include/pg_config_os.h src/include/postgres_ext.h '$(DESTDIR)$(includedir)'
	$(INSTALL_DATA) src/include/libpq/libpq-fs.h '$(DESTDIR)$(includedir)/libpq'
	sed 's/@VERSION@/$(VERSION)/' pg_config.sh > '$(DESTDIR)$(bindir)/pg_config'
	chmod 755 '$(DESTDIR)$(bindir)/pg_config'
