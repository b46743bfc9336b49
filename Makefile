# SPDX-License-Identifier: ISC
# Sleeve. `make help` lists what there is to make. Needs nothing but gcc and make to start with:
# the packages that are missing are installed (root or sudo) or named.

comma   := ,
VERSION := 0.1.0
SOMAJOR := 0

BUILD   ?= build
PREFIX  ?= /usr/local
BINDIR  ?= $(PREFIX)/bin
LIBDIR  ?= $(PREFIX)/lib
PRELOADDIR ?= $(LIBDIR)
INCDIR  ?= $(PREFIX)/include
MANDIR  ?= $(PREFIX)/share/man
DOCDIR  ?= $(PREFIX)/share/doc/sleeve
INSTALL ?= install

ifeq ($(origin CC),default)
CC := gcc
endif
MACHINE      := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
FUZZ_CC      ?= clang
SAN_CC       ?= clang
OBJCOPY      ?= objcopy
FUZZ_SECONDS ?= 60
TEST_TIMEOUT ?= 180
JOBS         ?= $(shell nproc 2>/dev/null || echo 2)

# ---- what is compiled -----------------------------------------------------------------------

# A profile is another default for many build options (include/matrixssl/profileConfig.h); OPTIONS says more, as in
# OPTIONS='-DUSE_TLS_1_3=0 -DUSE_CORE_TRACE'. SOCKETS=0 is the engine with the guide's API alone: what sockets, wrapped
# programs and the launcher need cannot be left out of a build that has them.
LEGACY  ?=
PROFILE ?= $(if $(filter 1,$(LEGACY)),legacy,default)
OPTIONS ?=
SOCKETS_NEED := USE_CLIENT_SIDE_SSL USE_SERVER_SIDE_SSL USE_CLIENT_AUTH USE_CERT_PARSE USE_TLS_1_3 USE_TLS_1_2 \
                USE_PRIVATE_KEY_PARSING USE_PKCS12 PS_USE_FILE_SYSTEM USE_MULTITHREADING
SOCKETS ?= $(if $(filter small,$(PROFILE))$(filter $(SOCKETS_NEED:%=-D%=0),$(OPTIONS)),0,1)
PROFILE_FLAGS_default :=
PROFILE_FLAGS_legacy  := -DSLEEVE_PROFILE_LEGACY
PROFILE_FLAGS_small   := -DSLEEVE_PROFILE_SMALL
ifeq ($(origin PROFILE_FLAGS_$(PROFILE)),undefined)
$(error PROFILE is small, default or legacy, and not '$(PROFILE)')
endif
# The tests say what a build with the defaults does, and make the others that they need.
ifneq ($(filter check check-%,$(MAKECMDGOALS)),)
ifneq ($(PROFILE)$(strip $(OPTIONS)),default)
$(error the checks make a legacy build and others by themselves: without PROFILE, LEGACY and OPTIONS)
endif
endif
OPTION_FLAGS := $(strip $(PROFILE_FLAGS_$(PROFILE)) $(OPTIONS))

# ---- flags ----------------------------------------------------------------------------------

WARN := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wundef -Wmissing-prototypes \
        -Wimplicit-fallthrough -Werror
CFLAGS ?= -O2 -g
# What nothing refers to is left out, function by function.
SECTIONS := -ffunction-sections -fdata-sections
BASE := -std=c11 -D_GNU_SOURCE -I. -Isrc -Iinclude -fvisibility=hidden -fPIC -pthread $(SECTIONS) $(WARN) \
        -DSLEEVE_VERSION='"$(VERSION)"' $(OPTION_FLAGS)
LIBDIR_FLAG := -DSLEEVE_LIBDIR='"$(PRELOADDIR)"'
ifeq ($(SAN),1)
HARDEN := -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=all
else ifeq ($(TSAN),1)
HARDEN := -fsanitize=thread -fno-omit-frame-pointer
else ifeq ($(COVERAGE),1)
HARDEN := --coverage -fprofile-update=atomic -O0 -Wno-maybe-uninitialized
else
# tests/lint/lint_hardening reads them off what was built. Returns and indirect jumps are checked where processor, kernel
# and C library can.
HARDEN := -fstack-protector-strong -fstack-clash-protection \
          $(if $(filter x86_64,$(MACHINE)),-fcf-protection=full) \
          $(if $(filter -O1 -O2 -O3 -Os,$(CFLAGS)),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
# The C library's start files are not marked for shadow stacks; nothing in them is against one.
LINK   := -Wl,-z,relro,-z,now,-z,noexecstack $(if $(filter x86_64,$(MACHINE)),-Wl$(comma)-z$(comma)shstk)
endif
LINK += -Wl,--as-needed -Wl,--gc-sections

# Asked only once, and only when something is linked: pkg-config may arrive with the packages.
LIBS = $(eval LIBS := $(or $(shell pkg-config --libs libcrypto libbsd inih zlib 2>/dev/null),-lcrypto -lbsd -linih -lz) -lpthread -ldl)$(LIBS)

COMPILE = $(CC) $(BASE) $(EXTRA) $(CPPFLAGS) $(CFLAGS) $(HARDEN) -MMD -MP
LD_PROG = $(CC) $(CFLAGS) $(HARDEN) $(LINK) $(LDFLAGS)

ifeq ($(V),1)
say = @:
else
Q   := @
say = @printf '  %-8s %s\n'
endif
MAKEFLAGS += --no-print-directory

# ---- files ----------------------------------------------------------------------------------

OBJ := $(BUILD)/obj
obj = $(patsubst %.c,$(OBJ)/%.o,$(1))

SRC      := $(sort $(wildcard src/*.c src/*/*.c))
SHIM     := $(if $(filter 1,$(SOCKETS)),$(sort $(wildcard shim/*.c)))
RULES    := $(if $(SHIM),$(sort $(wildcard preload/rules_*.c preload/starttls*.c)))
PRELOAD  := $(if $(SHIM),$(sort $(wildcard preload/*.c)))
ENTRY    := preload/entry.c preload/rules_glance.c preload/rules_env.c preload/rules_hello.c
WRAP     := $(filter-out preload/entry.c,$(PRELOAD))
LAUNCHER := $(if $(SHIM),$(sort $(wildcard preload/launcher/*.c)))
EXAMPLES := $(if $(SHIM),$(sort $(wildcard examples/*.c examples/legacy/*.c)))
HTTPD    := $(sort $(wildcard examples/httpd/*.c))
TESTLIB  := $(sort $(wildcard tests/lib/*.c))
LEGACY_C := $(sort $(wildcard tests/legacy/test_*.c))
TESTS_C  := $(filter-out $(LEGACY_C),$(sort $(wildcard tests/*/test_*.c)))
TESTS_X  := $(sort $(wildcard tests/*/test_*.sh tests/*/test_*.py))
PEERS_C  := $(sort $(wildcard tests/interop/peer_*.c tests/bogo/shim.c))
PROVIDERS_C := $(sort $(wildcard tests/*/provider_*.c))
APPS_C   := $(sort $(wildcard tests/apps/app_*.c))
FUZZERS  := $(sort $(wildcard tests/fuzz/fuzz_*.c))
NULLS    := $(sort $(wildcard tests/fuzz/null/*.c))
MANPAGES := $(sort $(wildcard src/*.[1357] shim/*.[1357] preload/*.[1357]))

LIB_OBJS     := $(call obj,$(SRC) $(SHIM))
TEST_BINS    := $(patsubst tests/%.c,$(BUILD)/tests/%,$(TESTS_C))
# What only PROFILE=legacy has is tested there: in a build of its own, unless this is one.
LEGACY_BUILD := $(if $(filter legacy,$(PROFILE)),$(BUILD),$(BUILD)/legacy)
LEGACY_BINS  := $(patsubst tests/%.c,$(LEGACY_BUILD)/tests/%,$(LEGACY_C))
PEER_BINS    := $(patsubst tests/%.c,$(BUILD)/tests/%,$(PEERS_C))
PROVIDERS    := $(patsubst tests/%.c,$(BUILD)/tests/%.so,$(PROVIDERS_C))
APP_BINS     := $(patsubst tests/%.c,$(BUILD)/tests/%,$(APPS_C))
FUZZ_BINS    := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(FUZZERS))
EXAMPLE_BINS := $(patsubst examples/%.c,$(BUILD)/examples/%,$(EXAMPLES))
# A few C programs under valgrind as well: it sees uninitialised reads, which the sanitizers do not.
VALGRIND_TESTS ?= unit/test_bytes kat/test_aead kat/test_rfc8448 x509/test_der x509/test_pem x509/test_identity \
                  handshake/test_guide_api sockets/test_sock_io
# Those in which threads meet, with ThreadSanitizer.
TSAN_TESTS ?= guide/test_limits handshake/test_key_threads kat/test_life sockets/test_sock_fork_threads \
              sockets/test_sock_io sockets/test_sock_reload sockets/test_sock_storm sockets/test_sock_table \
              sockets/test_sock_threads \
              sockets/test_sock_wake unit/test_arena unit/test_replay unit/test_session_cache unit/test_ticket \
              unit/test_trace x509/test_chain_cache x509/test_trust

SO      := $(BUILD)/libsleeve.so.$(VERSION)
OUTPUTS := $(BUILD)/libsleeve.a $(BUILD)/libsleeve.so $(BUILD)/sleeve.pc \
           $(if $(PRELOAD),$(BUILD)/libsleeve-preload.so $(BUILD)/libsleeve-wrap.so) $(if $(LAUNCHER),$(BUILD)/sleeve) $(EXAMPLE_BINS)

# ---- packages -------------------------------------------------------------------------------

PKG_BUILD := libbsd-dev libssl-dev libinih-dev zlib1g-dev pkg-config
# For src/crypto/aead_ipsecmb.c, loaded where the processor has VAES; only Intel's and AMD's have.
PKG_FAST  := $(if $(filter x86_64,$(MACHINE)),libipsec-mb-dev)
# For shim/store_memcached.c and shim/store_redis.c, which are of no use without, and loaded when a
# program asks for them: nothing is linked with these.
PKG_STORE := libmemcached-dev libhiredis-dev
PKG_DEMO  := $(PKG_BUILD) redis-server redis-tools openssl
PKG_TEST  := $(PKG_DEMO) $(PKG_STORE) $(PKG_FAST) libcmocka-dev socat redis curl gnutls-bin libnss3-tools python3 netcat-openbsd \
             clang clang-format clang-tidy cppcheck libclang-rt-14-dev llvm mandoc valgrind xxd \
             libgnutls28-dev libwolfssl-dev tshark memcached nginx wget wrk perl tcl dpkg-dev man-db \
             msmtp s-nail postgresql-client strace \
             $(if $(shell command -v node 2>/dev/null),,nodejs)
# Programs that tests/apps/ puts Sleeve under.
PKG_APPS  := mosquitto mosquitto-clients beanstalkd iperf3 apache2-utils gdb gdbserver postgresql rsync git \
             liburing-dev busybox-static lighttpd haproxy netcat-traditional ncat vsftpd tnftp inetutils-ftp \
             php-cli ruby whois finger efingerd inetutils-telnet openbsd-inetd ucspi-tcp ipsvd s-nail msmtp
PKG_TEST  += $(PKG_APPS)
PKG_COVER := $(PKG_TEST) gcovr
PKG_BENCH := $(PKG_TEST) gnuplot-nox stunnel4
PKG_AFL   := $(PKG_BUILD) afl++ clang
PKG_DEB   := $(PKG_BUILD) $(PKG_STORE) $(PKG_FAST) dpkg-dev
STAMPS ?= $(BUILD)/.deps

.PHONY: all demo tests fuzzers size install uninstall deb deps clean help FORCE
.PHONY: check check-c check-san check-tsan check-valgrind check-apps check-threats check-options lint
.PHONY: coverage soak bogo bench bench-wrap fuzz fuzz-merge fuzz-afl
.SECONDARY:
.DELETE_ON_ERROR:

all: $(OUTPUTS)

help:
	@echo 'make             build everything into $(BUILD)/'
	@echo 'make demo        two unmodified programs talk TLS 1.3; one screen'
	@echo 'make check       all tests: lint, C, scripts, sanitizers, valgrind, a short fuzz run'
	@echo 'make check-c | check-san | check-tsan | check-valgrind | check-apps    one part of it'
	@echo 'make check-threats   the tests of each class of attack, and a table of how they went'
	@echo 'make coverage    the lines that the tests run, and those that they leave out'
	@echo 'make check-options   every build option flipped, built and run; size of each: make size for this one'
	@echo 'make lint        style, warnings, static analysis, include directions, exported symbols'
	@echo 'make fuzz        every fuzz target for FUZZ_SECONDS=$(FUZZ_SECONDS) each'
	@echo 'make fuzz-merge  takes what it found into tests/fuzz/corpus, as far as it gets further'
	@echo 'make fuzz-afl    AFL++ on configurations and on files with certificates and keys'
	@echo 'make bogo        BoringSSL'"'"'s test runner against the engine; BOGO=directory of the runner'
	@echo 'make bench       Sleeve beside other TLS libraries'
	@echo 'make bench-wrap  unmodified programs under Sleeve, stunnel and socat'
	@echo 'make soak        SOAK_GB=$(SOAK_GB) over one connection, SOAK_CONNECTIONS=$(SOAK_CONNECTIONS), SOAK_HELD=$(SOAK_HELD) at once'
	@echo 'make LEGACY=1    with TLS 1.1, TLS 1.0, SSL 3.0 and all suites; PROFILE=small|default|legacy'
	@echo '                 OPTIONS="-DUSE_..." build options of include/matrixssl/*Config.h'
	@echo '                 SOCKETS=0 the engine and the API of the guide alone, as without what sockets need'
	@echo 'make install     PREFIX=$(PREFIX) DESTDIR=$(DESTDIR); also: uninstall'
	@echo 'make deb         Debian packages, in $(BUILD)/deb'
	@echo 'make deps        install the Debian packages all of this needs'
	@echo 'Variables: V=1 shows commands, SAN=1 BUILD=build/asan or TSAN=1 BUILD=build/tsan sanitizers, CC, CFLAGS, BUILD, JOBS'

deps: $(STAMPS)/build $(STAMPS)/demo $(STAMPS)/test

$(STAMPS)/build: PKGS = $(PKG_BUILD)
$(STAMPS)/demo:  PKGS = $(PKG_DEMO)
$(STAMPS)/test:  PKGS = $(PKG_TEST)
$(STAMPS)/cover: PKGS = $(PKG_COVER)
$(STAMPS)/bench: PKGS = $(PKG_BENCH)
$(STAMPS)/afl:   PKGS = $(PKG_AFL)
$(STAMPS)/deb:   PKGS = $(PKG_DEB)
$(STAMPS)/%: Makefile .ci/deps
	@.ci/deps $(PKGS)
	@mkdir -p $(@D) && touch $@

# ---- building -------------------------------------------------------------------------------

# Other flags or another compiler: everything again. Another LIBDIR: what has it inside. A library
# that has come: what can use it.
keep = echo '$(subst ','\'',$(1))' | cmp -s - $@ || echo '$(subst ','\'',$(1))' >$@
$(BUILD)/.flags: FORCE
	@mkdir -p $(@D)
	@$(call keep,$(COMPILE) $(LINK) $(LDFLAGS))
$(BUILD)/.libdir: FORCE
	@mkdir -p $(@D)
	@$(call keep,$(PRELOADDIR))
$(call obj,$(LAUNCHER)): $(BUILD)/.libdir
$(OBJ)/preload/launcher/%.o: private EXTRA := $(LIBDIR_FLAG)

$(BUILD)/.stores: FORCE
	@$(call keep,$(shell pkg-config --modversion libmemcached hiredis 2>/dev/null))
$(call obj,shim/store_memcached.c shim/store_redis.c): $(BUILD)/.stores

# It has no pkg-config file. The tests' stub is made anew as well.
$(BUILD)/.ipsecmb: FORCE
	@$(call keep,$(shell echo '#include <intel-ipsec-mb.h>' | $(CC) -E -dM - 2>/dev/null | grep VERSION_STR))
$(call obj,src/crypto/aead.c src/crypto/aead_ipsecmb.c tests/kat/provider_ipsecmb.c): $(BUILD)/.ipsecmb

$(OBJ)/%.o: %.c $(BUILD)/.flags | $(STAMPS)/build
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(COMPILE) -c -o $@ $<

$(OBJ)/tests/%.o: tests/%.c $(BUILD)/.flags | $(STAMPS)/test
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(COMPILE) -c -o $@ $<

# The exported names that are compiled, one a line.
$(BUILD)/sleeve.sym: src/sleeve.map $(LIB_OBJS)
	@sed -n '/global:/,/local:/s/^ *\([A-Za-z_][A-Za-z_0-9]*\);.*/\1/p' $< >$@.all
	@nm -gj --defined-only $(LIB_OBJS) | grep -Fxf $@.all | sort >$@

# One relocatable object in which only the exported names are global: no clash with the user's names. Sections stay apart,
# so that a program that is linked with --gc-sections has what it uses.
UNIQUE := $(patsubst %,--unique='.%.*',text data rodata bss)
$(BUILD)/libsleeve.a: $(LIB_OBJS) $(BUILD)/sleeve.sym
	$(say) AR $@
	$(Q)$(LD) -r --gc-sections $(UNIQUE) $$(sed 's/^/-u /' $(BUILD)/sleeve.sym) -o $(OBJ)/sleeve.o $(LIB_OBJS)
	$(Q)$(OBJCOPY) --keep-global-symbols=$(BUILD)/sleeve.sym $(OBJ)/sleeve.o
	$(Q)rm -f $@ && $(AR) rcs $@ $(OBJ)/sleeve.o

$(SO): $(LIB_OBJS) src/sleeve.map
	$(say) LINK $@
	$(Q)$(LD_PROG) -shared -Wl,-soname,libsleeve.so.$(SOMAJOR) -Wl,--version-script=src/sleeve.map \
	    $(if $(SAN)$(TSAN),,-Wl,-z,defs) -o $@ $(LIB_OBJS) $(LIBS)

$(BUILD)/libsleeve.so: $(SO)
	@ln -sf $(notdir $(SO)) $(BUILD)/libsleeve.so.$(SOMAJOR)
	@ln -sf libsleeve.so.$(SOMAJOR) $@

# In every program that is started under Sleeve: small, without libcrypto, and in few pages.
$(BUILD)/libsleeve-preload.so: $(call obj,$(ENTRY))
	$(say) LINK $@
	$(Q)$(LD_PROG) -shared -Wl,-soname,libsleeve-preload.so -Wl,-z,initfirst -Wl,-z,nodelete -Wl,-z,noseparate-code \
	    $(if $(SAN)$(TSAN),,-Wl,-z,defs) -o $@ $^ -ldl

# What it loads into those that a rule names.
$(BUILD)/libsleeve-wrap.so: $(LIB_OBJS) $(call obj,$(WRAP))
	$(say) LINK $@
	$(Q)$(LD_PROG) -shared -Wl,-soname,libsleeve-wrap.so -Wl,-z,nodelete $(if $(SAN)$(TSAN),,-Wl,-z,defs) -o $@ $^ $(LIBS)

$(BUILD)/sleeve: $(call obj,$(LAUNCHER) $(RULES)) $(LIB_OBJS)
	$(say) LINK $@
	$(Q)$(LD_PROG) -o $@ $^ $(LIBS)

# Of more than one file: what is in the directory of its name.
$(BUILD)/examples/httpd: $(call obj,$(HTTPD))

$(BUILD)/examples/%: $(OBJ)/examples/%.o $(BUILD)/libsleeve.a
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(LD_PROG) -o $@ $^ $(LIBS)

pc = sed -e 's|@prefix@|$(1)|' -e 's|@libdir@|$(2)|' -e 's|@includedir@|$(3)|' -e 's|@rpath@|$(4)|' \
         -e 's|@version@|$(VERSION)|' -e 's|@options@|$(if $(OPTION_FLAGS), $(OPTION_FLAGS))|' .packaging/sleeve.pc.in

# Usable in place: PKG_CONFIG_PATH=build pkg-config --cflags --libs sleeve
$(BUILD)/sleeve.pc: .packaging/sleeve.pc.in Makefile $(BUILD)/.flags
	@mkdir -p $(@D)
	@$(call pc,$(CURDIR),$(abspath $(BUILD)),$(CURDIR)/include, -Wl$(comma)-rpath$(comma)$(abspath $(BUILD))) >$@

# ---- tests ----------------------------------------------------------------------------------

# Tests see the hidden names too: an archive of the plain objects and of what tests share.
$(BUILD)/libsleeve-test.a: $(LIB_OBJS) $(call obj,$(RULES) $(TESTLIB))
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/tests/%: $(OBJ)/tests/%.o $(BUILD)/libsleeve-test.a
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(LD_PROG) -o $@ $(filter %.o,$^) $(filter %.a,$^) -lcmocka $(LIBS)

# A provider of libcrypto that a test loads, or another library that one takes for what it is not.
$(BUILD)/tests/%.so: $(OBJ)/tests/%.o
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(LD_PROG) -shared -o $@ $< -lcrypto

# What makes secrets, and what makes something public, goes through the test first.
$(BUILD)/tests/legacy/test_branches $(BUILD)/tests/secrets/test_branches: private LDFLAGS += -Wl,@tests/secrets/poisoned

# So does what fails when a test says so.
FAULTY_BINS := $(filter $(addprefix $(BUILD)/tests/,handshake/test_failures% legacy/test_failures%),$(TEST_BINS) $(LEGACY_BINS))
$(FAULTY_BINS): private LDFLAGS += -Wl,@tests/lib/provider_calls

# What makes secrets goes through the test, and what ends a call of the engine or of the sockets API.
$(BUILD)/tests/secrets/test_secrets_%: private LDFLAGS += -Wl,@tests/secrets/spied

$(BUILD)/tests/handshake/test_token: | $(BUILD)/tests/handshake/provider_token.so
$(BUILD)/tests/kat/test_aead_backends: | $(BUILD)/tests/kat/provider_ipsecmb.so

# One that is dynamically linked: its package excludes busybox-static. Without a network there is none.
BUSYBOX := $(BUILD)/tests/apps/busybox
$(BUSYBOX): | $(STAMPS)/test
	@mkdir -p $(@D)/deb
	@cd $(@D)/deb && apt-get -qq download busybox >/dev/null 2>&1 && dpkg-deb -x busybox_*.deb . && \
	    mv $$(find . -name busybox -type f -perm -100) ../busybox; touch ../busybox; rm -rf $(abspath $(@D))/deb

# Engines without cryptography: what comes first is not taken out of the archive.
$(BUILD)/tests/fuzz/test_null: $(call obj,$(NULLS))

# Programs that know nothing of Sleeve.
$(BUILD)/tests/apps/app_%: $(OBJ)/tests/apps/app_%.o
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(LD_PROG) -o $@ $< -luring

# Programs for the tests of tests/legacy, and the libraries that they and its scripts use.
LEGACY_MAKE = $(MAKE) $(PAR) STAMPS=$(STAMPS) BUILD=$(LEGACY_BUILD) PROFILE=legacy legacy-room
.PHONY: legacy legacy-room
legacy-room: all $(LEGACY_BINS) $(PEER_BINS)
legacy: $(if $(filter legacy,$(PROFILE)),legacy-room)
ifneq ($(PROFILE),legacy)
	+@$(LEGACY_MAKE)
endif

tests: $(TEST_BINS) legacy $(PEER_BINS) $(PROVIDERS) $(APP_BINS) $(BUSYBOX) $(if $(wildcard tests/demo/relay.c),$(BUILD)/demo/relay)

$(BUILD)/demo/relay: $(OBJ)/tests/demo/relay.o
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(LD_PROG) -o $@ $<

# All versions and suites, as what reads them is in no other build; the default one has less.
FUZZ_FLAGS := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all \
              $(if $(filter default,$(PROFILE)),$(PROFILE_FLAGS_legacy))
FUZZ_OBJ   := $(BUILD)/fuzz/obj

$(BUILD)/fuzz/.flags: FORCE
	@mkdir -p $(@D)
	@$(call keep,$(FUZZ_CC) $(BASE) $(CPPFLAGS) $(FUZZ_FLAGS))

$(FUZZ_OBJ)/preload/launcher/%.o: private CPPFLAGS += $(LIBDIR_FLAG)
$(FUZZ_OBJ)/%.o: %.c $(BUILD)/fuzz/.flags | $(STAMPS)/test
	@mkdir -p $(@D)
	$(say) FUZZCC $<
	$(Q)$(FUZZ_CC) $(BASE) $(CPPFLAGS) $(FUZZ_FLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/fuzz/libfuzzed.a: $(patsubst %.c,$(FUZZ_OBJ)/%.o,$(SRC) $(SHIM) $(RULES) $(filter-out %/main.c,$(LAUNCHER)) $(TESTLIB))
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(filter $(BUILD)/fuzz/fuzz_null_%,$(FUZZ_BINS)): $(patsubst %.c,$(FUZZ_OBJ)/%.o,$(NULLS))

$(BUILD)/fuzz/fuzz_%: $(FUZZ_OBJ)/tests/fuzz/fuzz_%.o $(BUILD)/fuzz/libfuzzed.a
	$(say) LINK $@
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -o $@ $(filter %.o,$^) $(filter %.a,$^) -lcmocka $(LIBS)

fuzzers: $(FUZZ_BINS)

fuzz: fuzzers
	@tests/fuzz/run --build $(BUILD) --seconds $(FUZZ_SECONDS) --jobs $(JOBS) $(FUZZ_BINS)

fuzz-merge: fuzzers
	@tests/fuzz/run --merge --build $(BUILD) --jobs $(JOBS) $(FUZZ_BINS)

# AFL++ on what the launcher reads.
fuzz-afl: $(STAMPS)/afl
	+@AFL_QUIET=1 $(MAKE) $(PAR) STAMPS=$(STAMPS) BUILD=$(BUILD)/afl CC=afl-clang-fast SAN=1 CFLAGS='-O1 -g' PROFILE=legacy \
	    $(BUILD)/afl/sleeve
	@tests/fuzz/afl --seconds $(FUZZ_SECONDS) $(BUILD)/afl

export LINT_FLAGS = $(BASE) $(LIBDIR_FLAG)
LINTS         := $(sort $(wildcard tests/lint/lint_*))
# Those that look at freed memory cannot: it is the sanitizer's.
SAN_BINS      := $(patsubst $(BUILD)/%,$(BUILD)/asan/%,$(filter-out $(BUILD)/tests/secrets/test_secrets_%,$(TEST_BINS)) $(LEGACY_BINS))
VALGRIND_BINS := $(filter $(addprefix $(BUILD)/tests/,$(VALGRIND_TESTS)),$(TEST_BINS))
# By the other compiler: both have built and run all.
SAN_WRAP       = $(BUILD)/asan/libsleeve-wrap.so
MAKE_SAN       = $(MAKE) $(PAR) STAMPS=$(STAMPS) BUILD=$(BUILD)/asan SAN=1 CC='$(SAN_CC)' tests $(SAN_WRAP)
TSAN_BINS      = $(filter $(addprefix $(BUILD)/tsan/tests/,$(TSAN_TESTS)),$(patsubst $(BUILD)/%,$(BUILD)/tsan/%,$(TEST_BINS)))
# And a wrapped program: under a runtime that is a library, as gcc's is, the preload stands before it.
TSAN_WRAP      = $(addprefix $(BUILD)/tsan/,libsleeve-preload.so libsleeve-wrap.so sleeve)
TSAN_X         = tests/preload/test_threads.py
MAKE_TSAN      = $(MAKE) $(PAR) STAMPS=$(STAMPS) BUILD=$(BUILD)/tsan TSAN=1 $(TSAN_BINS) $(TSAN_WRAP)
MAKE_FUZZ      = $(MAKE) $(PAR) STAMPS=$(STAMPS) BUILD=$(BUILD) fuzzers

RUN = tests/run --build $(BUILD) --timeout $(TEST_TIMEOUT) --jobs $(JOBS)

lint: all $(STAMPS)/test
	@$(RUN) --title lint --jobs 1 --timeout 600 $(LINTS)

check-c: tests
	@$(RUN) --title 'C tests' $(TEST_BINS) $(LEGACY_BINS)

check-san: all $(STAMPS)/test
	+@$(MAKE_SAN)
	@$(RUN) --title 'C tests with AddressSanitizer and UBSan' --build $(BUILD)/asan $(SAN_BINS)
	@$(RUN) --step 'wrapped programs with AddressSanitizer' tests/preload/asan.py $(BUILD)/asan

check-tsan: $(STAMPS)/test
	+@$(MAKE_TSAN)
	@TSAN=1 $(RUN) --title 'tests with ThreadSanitizer' --timeout 600 --build $(BUILD)/tsan $(TSAN_BINS) $(TSAN_X)

check-valgrind: tests
	@$(RUN) --title 'C tests in valgrind' --valgrind --timeout 600 $(VALGRIND_BINS)

# Which lines of ours the tests run, those of the build for old peers included, and which not. Without tests that make
# builds of their own. What a process did that was killed, or ended by _exit(), is not counted.
COVER       := $(BUILD)/coverage
COVER_LINES := 90
COVER_BINS   = $(patsubst $(BUILD)/%,$(COVER)/%,$(TEST_BINS) $(LEGACY_BINS))
COVER_X      = $(filter-out tests/bench/% tests/guide/test_programs.py tests/%/test_options.sh tests/demo/test_deb.sh,$(TESTS_X))
MAKE_COVER   = $(MAKE) $(PAR) STAMPS=$(STAMPS) BUILD=$(COVER) COVERAGE=1 all tests
coverage: $(STAMPS)/cover
	+@$(MAKE_COVER)
	@find $(COVER) -name '*.gcda' -delete
	@rc=0; $(RUN) --title 'all tests, with coverage' --timeout 600 --build $(COVER) $(COVER_BINS) $(COVER_X) || rc=1; \
	mkdir -p $(COVER)/html && gcovr -j $(JOBS) --root . $(addprefix --filter ,src/ shim/ preload/) --txt $(COVER)/report \
	    --html-details $(COVER)/html/index.html --fail-under-line $(COVER_LINES) $(COVER) || rc=1; \
	cat $(COVER)/report; echo 'Line by line: $(COVER)/html/index.html'; exit $$rc

# BoringSSL's test runner, which is not part of this: BOGO is the directory it is in. Says that it was
# skipped without.
bogo: all tests
	@tests/bogo/run; rc=$$?; [ $$rc = 0 ] || [ $$rc = 77 -a -z "$(BOGO)" ]

check-apps: all tests
	@rc=0; $(RUN) --title programs $(filter tests/apps/%,$(TESTS_X)) || rc=1; \
	tests/apps/report --build $(BUILD) && exit $$rc

check-threats: all tests
	@LEGACY_BUILD=$(LEGACY_BUILD) tests/threats --build $(BUILD) --jobs $(JOBS)

# Each build option flipped alone and together, built, run, and measured: minutes.
check-options: $(STAMPS)/build
	@tests/options/matrix.py --all --jobs $(JOBS)

# What the engine and the API of the guide are of a program that has both ends of a connection, as far as this build has.
size: $(BUILD)/libsleeve.a
	@$(COMPILE) -c -o $(OBJ)/trial.o tests/options/trial.c
	@$(LD_PROG) -o $(BUILD)/trial $(OBJ)/trial.o $(BUILD)/libsleeve.a $(LIBS)
	@own=$$(size -A $(OBJ)/trial.o | awk '/^\.text/ { n += $$2 } END { print n }') && \
	    size -A $(BUILD)/trial | awk -v own=$$own '/^\.text/ { print "$(PROFILE): " $$2 - own " bytes of .text" }'

# Every part runs even when one before it failed; the sum is the last line.
PAR = $(if $(findstring j,$(firstword -$(MAKEFLAGS))),,-j$(JOBS))
SUM = $(RUN) --sum --results $(BUILD)/tests/results

check: $(STAMPS)/test
	@rm -f $(BUILD)/tests/results
	@$(MAKE) $(PAR) all tests
	@$(SUM) --title lint --jobs 1 --timeout 600 $(LINTS)
	@$(SUM) --title 'C tests' $(TEST_BINS) $(LEGACY_BINS)
	@$(SUM) --title packages --timeout 1200 --step 'make deb' $(MAKE) $(PAR) deb
	@$(SUM) --title scripts $(TESTS_X)
	@$(SUM) --title 'build options' --timeout 1200 --step tests/options/matrix.py tests/options/matrix.py --jobs $(JOBS)
	@$(SUM) --title 'table of programs' --step tests/apps/report tests/apps/report --build $(BUILD) --title scripts
	@$(SUM) --title 'sanitizer build' --timeout 1200 --step 'make tests SAN=1' $(MAKE_SAN)
	@$(SUM) --title 'C tests with AddressSanitizer and UBSan' --build $(BUILD)/asan $(SAN_BINS)
	@$(SUM) --title 'wrapped with AddressSanitizer' --step 'wrapped programs with AddressSanitizer' tests/preload/asan.py $(BUILD)/asan
	@$(SUM) --title 'ThreadSanitizer build' --timeout 1200 --step 'make tests TSAN=1' $(MAKE_TSAN)
	@TSAN=1 $(SUM) --title 'tests with ThreadSanitizer' --timeout 600 --build $(BUILD)/tsan $(TSAN_BINS) $(TSAN_X)
	@$(SUM) --title 'C tests in valgrind' --valgrind --timeout 600 $(VALGRIND_BINS)
	@$(SUM) --title 'fuzz build' --timeout 1200 --step 'make fuzzers' $(MAKE_FUZZ)
	@tests/fuzz/run --sum --build $(BUILD) --seconds 3 --jobs $(JOBS) $(FUZZ_BINS)
	@tests/run --build $(BUILD) --total

bench: all tests $(STAMPS)/bench
	@BUILD=$(BUILD) CC='$(CC)' tests/bench/run

bench-wrap: all $(STAMPS)/bench
	@BUILD=$(BUILD) CC='$(CC)' /usr/bin/python3 tests/bench/wrap.py

# So much in each version of the protocol, by the sockets API and then by a wrapped program.
SOAK_GB          ?= 100
SOAK_CONNECTIONS ?= 10000
SOAK_HELD        ?= 1000
soak: all $(BUILD)/tests/soak/test_soak
	@export BUILD=$(BUILD) SOAK_GB=$(SOAK_GB) SOAK_CONNECTIONS=$(SOAK_CONNECTIONS) SOAK_HELD=$(SOAK_HELD) && \
	    $(BUILD)/tests/soak/test_soak && tests/soak/test_soak.py

demo: all $(BUILD)/demo/relay $(STAMPS)/demo
	@BUILD=$(BUILD) tests/demo/demo.sh

# ---- installing -----------------------------------------------------------------------------

D := $(DESTDIR)
HEADERS := $(sort $(wildcard include/*/*.h))
DOCS    := $(wildcard README.md LICENSE CHANGES.md SECURITY.md)
# What a page is about besides the name of its file: `man ssl_read` finds ssl_socket(3).
also = $(filter-out $(notdir $(1)),$(addsuffix $(suffix $(1)), \
           $(shell sed -n '/^\.Sh NAME/,/^\.Nd/s/^\.Nm \([^ /]*\).*/\1/p' $(1))))
man_dir  = $(D)$(MANDIR)/man$(patsubst .%,%,$(suffix $(1)))
man_in   = $(INSTALL) -D -m 644 $(1) $(man_dir)/$(notdir $(1)) && \
           for n in $(also); do ln -sf $(notdir $(1)) $(man_dir)/$$n || exit 1; done
man_out  = rm -f $(addprefix $(man_dir)/,$(notdir $(1)) $(also))
define newline


endef
# A program that was linked finds the library without its own help in the places ldconfig knows.
hint = [ -n '$(D)' ] || PATH=$$PATH:/sbin ldconfig -p 2>/dev/null | grep -qF '$(LIBDIR)/libsleeve.so.$(SOMAJOR)' || \
       echo 'Now run ldconfig as root, or set LD_LIBRARY_PATH=$(LIBDIR), so that programs find libsleeve.so.$(SOMAJOR).'

install: all
	$(INSTALL) -d $(D)$(BINDIR) $(D)$(LIBDIR)/pkgconfig $(D)$(PRELOADDIR) $(D)$(DOCDIR)
	$(INSTALL) -m 644 $(BUILD)/libsleeve.a $(D)$(LIBDIR)/
	$(INSTALL) -m 644 $(SO) $(D)$(LIBDIR)/
	ln -sf $(notdir $(SO)) $(D)$(LIBDIR)/libsleeve.so.$(SOMAJOR)
	ln -sf libsleeve.so.$(SOMAJOR) $(D)$(LIBDIR)/libsleeve.so
	$(if $(PRELOAD),$(INSTALL) -m 644 $(BUILD)/libsleeve-preload.so $(BUILD)/libsleeve-wrap.so $(D)$(PRELOADDIR)/)
	$(if $(PRELOAD),$(INSTALL) -m 755 $(BUILD)/sleeve $(D)$(BINDIR)/)
	for h in $(HEADERS); do $(INSTALL) -D -m 644 $$h $(D)$(INCDIR)/$${h#include/} || exit 1; done
	$(foreach m,$(MANPAGES),$(call man_in,$(m))$(newline)	)
	$(call pc,$(PREFIX),$(LIBDIR),$(INCDIR),) >$(D)$(LIBDIR)/pkgconfig/sleeve.pc
	$(INSTALL) -m 644 $(DOCS) $(D)$(DOCDIR)/
	@$(hint)

uninstall:
	rm -f $(addprefix $(D)$(LIBDIR)/,libsleeve.a $(notdir $(SO)) libsleeve.so.$(SOMAJOR) libsleeve.so \
	    pkgconfig/sleeve.pc) $(addprefix $(D)$(PRELOADDIR)/,libsleeve-preload.so libsleeve-wrap.so) $(D)$(BINDIR)/sleeve
	rm -f $(patsubst include/%,$(D)$(INCDIR)/%,$(HEADERS)) $(addprefix $(D)$(DOCDIR)/,$(DOCS))
	$(foreach m,$(MANPAGES),$(call man_out,$(m))$(newline)	)
	-rmdir $(addprefix $(D)$(INCDIR)/,$(sort $(dir $(patsubst include/%,%,$(HEADERS))))) $(D)$(DOCDIR) 2>/dev/null

# Compiled apart: the flags of this build and its directory are not in the packages.
DEB := $(BUILD)/deb
deb: $(STAMPS)/deb
	@rm -rf $(DEB)/root
	+@lib=/usr/lib/$$(dpkg-architecture -qDEB_HOST_MULTIARCH) && \
	    $(MAKE) -s $(PAR) STAMPS=$(STAMPS) BUILD=$(DEB)/build SAN= CFLAGS=-O2 DESTDIR=$(DEB)/root PREFIX=/usr \
	    BINDIR=/usr/bin LIBDIR=$$lib PRELOADDIR=$$lib/sleeve INCDIR=/usr/include MANDIR=/usr/share/man \
	    DOCDIR=/usr/share/doc/sleeve install
	@.packaging/deb $(VERSION) $(DEB)

clean:
	rm -rf $(BUILD)

-include $(patsubst %.o,%.d,$(LIB_OBJS) $(call obj,$(PRELOAD) $(LAUNCHER) $(EXAMPLES) $(HTTPD) $(TESTLIB) $(TESTS_C) $(NULLS) $(LEGACY_C) $(PEERS_C) $(PROVIDERS_C) $(APPS_C))) \
    $(wildcard $(FUZZ_OBJ)/*/*.d $(FUZZ_OBJ)/*/*/*.d $(FUZZ_OBJ)/*/*/*/*.d)
