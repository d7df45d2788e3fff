# shellcheck shell=bash
# A Python that stands on musl, as Alpine's does: the root of an image without anything else. Built once from the
# distribution's source of Python with the distribution's musl.
what="Python on musl"
PLACE=$CACHE/musl-python-1

health() { [ -f "$PLACE/.complete" ]; }

up() {
  packages musl-tools gcc make xz-utils
  local build=$DIR/build name
  rm -rf "$build" "$PLACE"; mkdir -p "$build/lists/partial" "$build/parts" "$build/python" "$PLACE/lib"
  name=$(/usr/bin/python3 -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
  cp /etc/apt/sources.list.d/*.sources "$build/parts/" 2>/dev/null && sed -i 's/^Types: .*/Types: deb-src/' "$build"/parts/*.sources
  grep -h '^deb ' /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | sed 's/^deb /deb-src /' >"$build/parts/old.list" || true
  {
    cd "$build"
    local apt=(-o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$build/parts" -o Dir::State::Lists="$build/lists")
    apt-get -qq "${apt[@]}" update
    apt-get -qq "${apt[@]}" source --download-only "$name" || true # only the original is needed
    tar -C python --strip-components=1 -xf "$build/${name}"_*.orig.tar.*
    cd python
    # It would name the host's libc.
    printf '#!/bin/sh\n[ "$1" = --print-multiarch ] && exec echo "$(uname -m)-linux-musl"\nexec musl-gcc "$@"\n' >cc-musl; chmod +x cc-musl
    CC=$PWD/cc-musl CFLAGS=-O1 ./configure --quiet --prefix=/usr/local --without-ensurepip --disable-test-modules --without-doc-strings
    # What the standard library needs and no foreign library provides, within the program.
    local modules='array|_struct|math|select|fcntl|_posixsubprocess|binascii|_random|_datetime|_socket|_pickle|_heapq|_bisect|_json'
    modules+='|_md5|_sha1|_sha2|_sha256|_sha512|_sha3|_blake2|_opcode|_csv|unicodedata|_contextvars|_typing|_queue'
    { echo '*static*'; sed -nE "s/^#(($modules) .*)/\\1/p" Modules/Setup; } >Modules/Setup.local
    make -s -j"$(nproc)" python
    mkdir -p "$PLACE/usr/local/bin" "$PLACE/usr/local/lib/$name/site-packages"
    cp python "$PLACE/usr/local/bin/$name"; ln -s "$name" "$PLACE/usr/local/bin/python3"
    tar -C Lib --exclude=__pycache__ --exclude=test --exclude=tests --exclude=ensurepip --exclude=idlelib --exclude=lib2to3 -cf - . |
      tar -C "$PLACE/usr/local/lib/$name" -xf -
    cp "build/lib.linux-$(uname -m)-${name#python}/"_sysconfigdata_*.py "$PLACE/usr/local/lib/$name/" 2>/dev/null ||
      cp "$(cat pybuilddir.txt)"/_sysconfigdata_*.py "$PLACE/usr/local/lib/$name/"
    cp -L /lib/ld-musl-*.so.1 "$PLACE/lib/"
  } >"$DIR/log" 2>&1 9>&- || die "Python on musl: $(tail -n 5 "$DIR/log")"
  rm -rf "$build"
  touch "$PLACE/.complete"
}

down() { :; } # a cache: it stays
where() { echo "$PLACE"; }
vars() { export_var ML_DEPLOY_BED_MUSL_PYTHON "$PLACE"; }
