/* The functions of macOS that read the table of file systems, which gio lists; cross toolchains have no header for them. */
#ifndef EVERYWHEEL_FSTAB_H
#define EVERYWHEEL_FSTAB_H

struct fstab {
  char *fs_spec;
  char *fs_file;
  char *fs_vfstype;
  char *fs_mntops;
  char *fs_type;
  int fs_freq;
  int fs_passno;
};

int setfsent (void);
struct fstab *getfsent (void);
void endfsent (void);

#endif
