# Checks and translates the arguments of a compiler; part of every compiler wrapper of the zig engine. No command is started
# here, since the wrappers run for each compiled file. `compiler_arguments.py` replaces the names between @ and reads @notes@.
python=@python@ windows=@windows@ features=@features@ notes= option= waiting= errors= unoptimized= compiled=

note() {
  notes="$notes$1	$2
"
}

refuse() {
  note refused "$1"
  errors="${errors}error: $1 is refused: $2
"
}

# Set `folder` to the folder to search instead of $1; fail if it is a folder of the build machine. The headers of the
# Python that runs the backend, and of packages for this machine, are replaced by those of the target.
admit() {
  folder=$1
  case $1 in
    [!/]* | '' | @prefix@ | @prefix@/* | @source@/*) return 0 ;;
    */include/python3.[0-9]*)
      [ "$python" ] || return 1
      folder=${1##*/include/python3.}
      case $folder in
        */*) folder=$python/${folder#*/} ;;
        *) folder=$python ;;
      esac
      return 0
      ;;
    @packages@ | @packages@/*) return 0 ;;
    */site-packages | */site-packages/*)
      folder=@packages@${1#*/site-packages}
      [ -e "$folder" ] && return 0
      folder=$1
      ;;
  esac
  case $1 in
    @allowed@) return 0 ;;
  esac
  return 1
}

# Set `token` to an argument for zig's linker instead of $1, or to nothing.
translate_token() {
  token=$1
  case $waiting in
    value) token= waiting= ; return ;;
    z)
      waiting=
      case $1 in
        pack-relative-relocs | separate-code | noseparate-code | text | nodlopen | combreloc) note dropped "-Wl,-z,$1"; token=relro ;;
      esac
      return
      ;;
  esac
  case $1 in
    # A list of symbols of Python for the linker of macOS, such as that of nanobind.
    @*)
      line=
      if [ -f "${1#@}" ]; then IFS= read -r line <"${1#@}" || :; fi
      case $line in -U\ *) token=-undefined,dynamic_lookup ;; esac
      ;;
    -z) waiting=z ;;
    -rpath | --rpath | -rpath-link | --rpath-link | -R) token= waiting=value ;;
    -rpath[=-]* | --rpath[=-]* | -R/*) token= ;;
    --undefined=* | --require-defined=*) token=-u,${1#*=} ;;
    --symbolic) token=-Bsymbolic ;;
    -h) token=-soname ;;
    -hlib*) token=-soname,${1#-h} ;;
    --exclude-libs | --dynamic-list | -Map | --Map) note dropped "-Wl,$1"; token= waiting=value ;;
    --exclude-libs=* | --dynamic-list* | -Map=* | --Map=* | -M | --print-map | --cref | --stats | -t | --trace | --verbose) drop_token "$1" ;;
    -Bsymbolic-functions | -Bsymbolic-non-weak* | --icf=* | --no-copy-dt-needed-entries | --copy-dt-needed-entries) drop_token "$1" ;;
    --no-add-needed | --add-needed | --warn-* | --no-warn-* | --no-keep-memory | --reduce-memory-overheads) drop_token "$1" ;;
    --relax | --no-relax | --threads* | --no-threads | --demangle | --no-demangle | --error-limit=* | --no-omagic | -X) drop_token "$1" ;;
    --package-metadata=* | --pack-dyn-relocs=* | --orphan-handling=* | --no-ld-generated-unwind-info) drop_token "$1" ;;
    --no-export-dynamic | -plugin-opt=* | --plugin-opt=* | --enable-auto-import | --enable-runtime-pseudo-reloc*) drop_token "$1" ;;
    --rosegment | --no-rosegment | --emit-relocs | -q | --gdb-index | -melf_* | --spare-dynamic-tags=* | -flto* | --lto-*) drop_token "$1" ;;
    --large-address-aware | --no-insert-timestamp | --kill-at) drop_token "$1" ;;
    # The state that is restored is, with the flags of this toolchain, that of the beginning of the link.
    --push-state) token= ;;
    --pop-state) token=--no-whole-archive,-search_paths_first,--as-needed ;;
    # After -Bdynamic, zig finds no archives.
    -Bdynamic | -dy | -call_shared) token=-search_paths_first ;;
    --defsym* | -init | -fini | -init=* | -fini=* | --unresolved-symbols=* | --retain-symbols-file* | --section-start* | -N | --omagic)
      refuse "-Wl,$1" "zig's linker has no such option"
      ;;
  esac
}

drop_token() {
  note dropped "-Wl,$1"
  token=
}

# Set `arg` to the translated arguments in $1, which begins with -Wl, separated by newlines, or to nothing. A library is an
# argument of its own, since zig does not search those that it passes to its linker.
translate_link_argument() {
  rest=${1#-Wl,} arg= start=-Wl,
  while :; do
    translate_token "${rest%%,*}"
    case $token in
      '') ;;
      -l?*)
        arg="$arg${arg:+
}$token" start="
-Wl,"
        ;;
      *) arg=$arg$start$token start=, ;;
    esac
    case $rest in
      *,*) rest=${rest#*,} ;;
      *) break ;;
    esac
  done
}

# Set `arg` to the definitions in $1, which begins with -Wp, as arguments that are separated by newlines.
translate_definitions() {
  rest=${1#-Wp,} arg=
  while :; do
    arg="$arg
${rest%%,*}"
    case $rest in
      *,*) rest=${rest#*,} ;;
      *) break ;;
    esac
  done
  arg=${arg#?}
}

# Set `arg` to the flags of gcc for $1, a flag of Visual C++ that a project passes for Windows; to nothing if there are none.
# Other arguments stay as they are.
translate_visual_flag() {
  case $1 in
    [-/]std:clatest) arg=-std=c2x ;;
    [-/]std:c++23preview) arg=-std=c++2b ;;
    /D?*=*)
      case ${1%%=*} in
        /*/*) ;;
        *) arg=-D${1#/D} ;;
      esac
      ;;
    /*/* | *.*) ;;
    /O[2x]) arg=-O2 ;;
    /O1) arg=-Os ;;
    /Od) arg=-O0 ;;
    [-/]std:c*latest) arg=-std=${1#?std:} arg=${arg%latest}2b ;;
    [-/]std:c*) arg=-std=${1#?std:} ;;
    /arch:AVX) arg=-mavx ;;
    /arch:AVX2) arg=-mavx2 ;;
    [-/]wd[0-9]* | [-/]w[1-4eo][0-9]* | [-/]EH[acrs]* | [-/]nologo | [-/]bigobj | [-/]utf-8 | [-/]GL | [-/]GR- | [-/]Zc:* | [-/]Z[7iI] | [-/]permissive*) drop_flag "$1" ;;
    /w | /W[0-4X]* | /Wall | /O[bgisty]* | /G[dFmrRSswyZ]* | /M[DPT]* | /Zo | /FS | /fp:* | /volatile:* | /sdl* | /arch:SSE*) drop_flag "$1" ;;
    /Q* | /favor:* | /guard:* | /diagnostics:* | /experimental:* | /analyze* | /d2* | /source-charset:* | /execution-charset:*) drop_flag "$1" ;;
    /LTCG* | /OPT:* | /DEBUG* | /INCREMENTAL* | /MACHINE:* | /NXCOMPAT* | /DYNAMICBASE* | /LARGEADDRESSAWARE* | /SUBSYSTEM:* | /MANIFEST* | /NODEFAULTLIB* | /IGNORE:*) drop_flag "$1" ;;
    /D?* | /U?* | /I?*) arg=-${1#/} ;;
    /J) arg=-funsigned-char ;;
    /TC) arg=-xc ;;
    /TP) arg=-xc++ ;;
  esac
}

drop_flag() {
  note dropped "$1"
  arg=
}

# Set `arg` to the arguments that pass $1 to clang only, separated by newlines, if it selects instructions or unwind tables. Other
# names of instructions stay as they are: clang ignores an unknown one in these arguments, and a check for it would succeed.
translate_for_clang() {
  case $1 in
    -mno-*) enable=-${1#-mno-} ;;
    -m*) enable=+${1#-m} ;;
    -fno-asynchronous-unwind-tables | -fno-unwind-tables) enable=-funwind-tables=0 ;;
    -funwind-tables) enable=-funwind-tables=1 ;;
    -fasynchronous-unwind-tables) enable=-funwind-tables=2 ;;
    -fomit-frame-pointer) enable=-mframe-pointer=none ;;
    -fno-omit-frame-pointer) enable=-mframe-pointer=all ;;
    *) return ;;
  esac
  case $features${enable#[-+]} in
    funwind-tables=* | yesfunwind-tables=* | mframe-pointer=* | yesmframe-pointer=*)
      arg="-Xclang
$enable"
      return
      ;;
    yesmmx | yessse | yessse[234] | yessse4.[12] | yessse4a | yesssse3 | yesavx | yesavx2 | yesf16c | yesfma | yesfma4 | yesxop) ;;
    yesavx512f | yesavx512cd | yesavx512dq | yesavx512bw | yesavx512vl | yesavx512ifma | yesavx512vbmi | yesavx512vbmi2) ;;
    yesavx512vnni | yesavx512bitalg | yesavx512vpopcntdq | yesavx512bf16 | yesavx512fp16 | yesavxvnni | yesamx-tile) ;;
    yesamx-int8 | yesamx-bf16 | yesgfni | yesaes | yesvaes | yespclmul | yesvpclmulqdq | yessha | yesbmi | yesbmi2 | yeslzcnt) ;;
    yespopcnt | yescrc32 | yesxsave | yesxsaveopt | yesxsavec | yesxsaves | yesrdrnd | yesrdseed | yesadx | yesmovbe) ;;
    yescx16 | yesfsgsbase) ;;
    *) return ;;
  esac
  arg="-Xclang
-target-feature
-Xclang
$enable"
}

for arg do
  case $arg in
    @?*) if [ -f "${arg#@}" ]; then exec @expand@ "$0" "$@"; fi ;;
  esac
done
for arg do
  shift
  case $option in
    @architecture@) option= ;;
    -Xarch_*)
      option=
      continue
      ;;
  esac
  if [ "$option" ]; then
    case $option in
      -Xlinker)
        translate_token "$arg"
        case $token in
          '') ;;
          -l?*) set -- "$@" "$token" ;;
          "$arg") set -- "$@" -Xlinker "$arg" ;;
          *) set -- "$@" "-Wl,$token" ;;
        esac
        ;;
      -framework | -weak_framework)
        note framework "$option $arg"
        set -- "$@" "$option" "$arg"
        ;;
      *)
        if admit "$arg"; then
          set -- "$@" "$option" "$folder"
        else
          note dropped "$option $arg"
        fi
        ;;
    esac
    option=
    continue
  fi
  if [ "$windows" ]; then
    translate_visual_flag "$arg"
    if [ -z "$arg" ]; then continue; fi
  fi
  case $arg in
    # The most frequent arguments first.
    -O0) unoptimized=yes ;;
    -O*) unoptimized= ;;
    -c | -S | -E | -M | -MM | -fsyntax-only) compiled=yes ;;
    -D* | -W[b-km-oq-z]* | -Wl,--gc-sections | -Wl,--as-needed | -Wl,-z,relro | -Wl,-z,now | *.o | *.c) ;;
    # zig passes the argument after -Xarch_… to clang without translating it.
    -[ILBF] | -isystem | -idirafter | -iquote | -iframework | -isysroot | --sysroot | -Xlinker | -framework | -weak_framework | -Xarch_*)
      option=$arg
      continue
      ;;
    -[ILBF]/*)
      if ! admit "${arg#??}"; then
        note dropped "$arg"
        continue
      fi
      arg=${arg%"${arg#??}"}$folder
      ;;
    -isystem/* | -idirafter/* | -iquote/* | --sysroot=/*)
      option=${arg%%/*}
      if ! admit "/${arg#*/}"; then
        note dropped "$arg"
        option=
        continue
      fi
      arg=$option$folder option=
      ;;
    -Wl,* | -Wp,-[UD]*)
      case $arg in
        -Wl,*) translate_link_argument "$arg" ;;
        *) translate_definitions "$arg" ;;
      esac
      while [ "$arg" ]; do
        set -- "$@" "${arg%%
*}"
        case $arg in
          *'
'*) arg=${arg#*
} ;;
          *) break ;;
        esac
      done
      continue
      ;;
    -march=native | -mtune=native | -mcpu=native)
      refuse "$arg" "the code would run only on processors like that of the build machine"
      continue
      ;;
    # zig takes -mtune for -mcpu.
    -mtune=* | @lto@ | -ffat-lto-objects | -fno-fat-lto-objects) note dropped "$arg"; continue ;;
    -Wa,--64 | -Wa,--generate-missing-build-notes=* | -fplugin=annobin | -iplugindir=* | -specs=/*) note dropped "$arg"; continue ;;
    -Wa,-mbranches-within-32B-boundaries) arg=-mbranches-within-32B-boundaries ;;
    # gcc and clang enable these instructions too, zig does not.
    -msse4 | -msse4.2) set -- "$@" -mcrc32 -mpopcnt ;;
    -mavx | -mavx2 | -mavx512*) set -- "$@" -mcrc32 -mpopcnt -mxsave ;;
    -march=x86-64) arg=-march=x86_64 ;;
    -march=x86-64-v[234]) arg=-march=x86_64_v${arg#*-v} ;;
    -march=armv8-a*) arg=-march=generic${arg#-march=armv8-a} ;;
    -march=armv8.[1-9]-a*)
      arg=${arg#-march=armv8.}
      arg=-march=generic+v8_${arg%%-*}a${arg#?-a}
      ;;
    -fno-lifetime-dse | -fvar-tracking* | -fno-var-tracking* | -fno-reorder-blocks-and-partition | -fno-crossjumping) note dropped "$arg"; continue ;;
    -fno-aggressive-loop-optimizations | -fno-printf-return-value | -fno-toplevel-reorder | -fconserve-stack) note dropped "$arg"; continue ;;
    -fno-gnu-unique | -fipa-* | -fno-ipa-* | -fsched-* | -fno-sched-* | -ftree-loop-* | -fno-tree-loop-*) note dropped "$arg"; continue ;;
    -fpredictive-commoning | -fno-predictive-commoning | -ftree-[ps]r[ea] | -fno-tree-[ps]r[ea]) note dropped "$arg"; continue ;;
    -fno-allow-store-data-races | -fcode-hoisting | -fno-code-hoisting | -fpartial-inlining | -fno-partial-inlining) note dropped "$arg"; continue ;;
    -fcse-follow-jumps | -fno-cse-follow-jumps | -fguess-branch-probability | -fno-guess-branch-probability) note dropped "$arg"; continue ;;
    -malign-data=* | -mveclibabi=* | -mavx256-split-* | -mno-avx256-split-*) note dropped "$arg"; continue ;;
    -fprofile-partial-training | -fipa-pta | -fdevirtualize-at-ltrans | -fgraphite* | -floop-nest-optimize) note dropped "$arg"; continue ;;
    # zig's linker cannot write bundles, and Python loads both.
    -bundle) arg=-shared ;;
    *-print-search-dirs)
      echo libraries: =@prefix@/lib
      exit
      ;;
    /*.so | /*.so.[0-9]* | /*.dylib | /*.a)
      if ! admit "$arg"; then
        refuse "$arg" "it is a library of the build machine"
        continue
      fi
      ;;
  esac
  set -- "$@" "$arg"
done
# Without optimization, headers of glibc warn about the macro, which would answer the probes of build systems that pass -Werror.
if [ "$unoptimized" ]; then set -- "$@" -U_FORTIFY_SOURCE; fi
# With these flags, zig compiles libc++ or the C library of MinGW once more, for a minute and for processors that have the
# instructions. They concern the sources of a command: a link of objects has none, and other links pass them to clang only. The
# assembler has no such argument.
if [ -z "$compiled" ]; then
  sources=
  for arg do
    case $arg in
      - | -x | -x[ac]*) sources=yes ;;
      -*) ;;
      *.[Ss] | assembler*) sources=assembler; break ;;
      *.[cCmMi] | *.cc | *.cp | *.cpp | *.cxx | *.c++ | *.CC | *.CP | *.CPP | *.CXX | *.C++ | *.mm | *.ii | *.ll | *.bc) sources=yes ;;
    esac
  done
  for arg do
    shift
    translated=$arg
    if [ "$sources" != assembler ]; then translate_for_clang "$arg"; fi
    case $sources$arg in
      -march=* | -mcpu=* | -maltivec | -mvsx | -mpower[0-9]*-vector | -mvx | -mzvector) continue ;;
    esac
    if [ "$arg" = "$translated" ]; then
      set -- "$@" "$arg"
    elif [ "$sources" ]; then
      while :; do
        set -- "$@" "${arg%%
*}"
        case $arg in
          *'
'*) arg=${arg#*
} ;;
          *) break ;;
        esac
      done
    fi
  done
fi
if [ "$notes" ]; then
  subject= previous=
  for arg do
    case $arg in
      *.c | *.cc | *.cpp | *.cxx | *.C | *.m | *.mm | *.S | *.s) subject=$arg ;;
    esac
    if [ "$previous" = -o ] && [ -z "$subject" ]; then subject=$arg; fi
    previous=$arg
  done
  printf '%sfor	%s\n' "$notes" "$subject" >>@notes@
  if [ "$errors" ]; then
    printf '%s' "$errors" >&2
    exit 1
  fi
fi
