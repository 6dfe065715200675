# hearken: `make help` lists the targets.

# The header's, which is the only place that states it.
VERSION   := $(shell sed -n 's/^.define HEARKEN_VERSION_[A-Z]* \([0-9]*\)$$/\1/p' \
                     include/hearken/hearken.h | paste -sd.)
SOVERSION := $(firstword $(subst ., ,$(VERSION)))

PREFIX      ?= /usr/local
BINDIR      ?= $(PREFIX)/bin
LIBDIR      ?= $(PREFIX)/lib
INCLUDEDIR  ?= $(PREFIX)/include
DATADIR     ?= $(PREFIX)/share
MANDIR      ?= $(DATADIR)/man
SYSCONFDIR  ?= /etc
UNITDIR     ?= $(PREFIX)/lib/systemd/system
USERUNITDIR ?= $(PREFIX)/lib/systemd/user
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
DESTDIR     ?=

# What is installed; the first is the default.
MODELS ?= hearken-en hearken-en-light hearken-en-small

SANITIZER ?=
DEBUG     ?=
V         ?= 0 # 1 shows the commands
WERROR    ?= 1 # 0: warnings are no errors
WITHOUT   ?=   # of "OpenCL libsystemd cairo libcurl libavformat", what to build without
PORTAUDIO ?= link # load: PortAudio and ALSA are not linked but loaded when sound is captured
BUILD     ?= build$(if $(SANITIZER),/$(SANITIZER))$(if $(DEBUG),/debug)

SANITIZERS := address undefined thread
ifneq ($(filter-out $(SANITIZERS),$(SANITIZER)),)
$(error SANITIZER=$(SANITIZER): expected one of: $(SANITIZERS))
endif

verbose := $(filter-out 0,$(V))
Q   := $(if $(verbose),,@)
SAY := $(if $(verbose),@:,@printf '  %-5s %s\n')

# ---- Flags -------------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wpedantic $(if $(filter-out 0,$(WERROR)),-Werror) -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
            -Wvla -Wpointer-arith -Wwrite-strings
CFLAGS   ?= $(if $(DEBUG),-Og -g3,-O2 -g)
LDFLAGS  ?=
SANITIZE := $(if $(SANITIZER),-fsanitize=$(SANITIZER) -fno-omit-frame-pointer) \
            $(if $(filter undefined,$(SANITIZER)),-fno-sanitize-recover=all)
# No path of the build folder gets into what is built: two builds are the same, bit by bit.
COMPILE  := -std=c11 -D_GNU_SOURCE -fPIC -fvisibility=hidden -pthread -ffile-prefix-map=$(CURDIR)=. \
            $(WARNINGS) $(SANITIZE)
LINK     := -pthread $(SANITIZE) -Wl,--as-needed $(if $(SANITIZER),,-Wl,-z,defs)

# ---- Libraries ---------------------------------------------------------------------------------

# pkg-config's name, or -lNAME of a library that it does not know = Debian's package. Without an
# optional one, the build leaves a feature out.
PKG_CONFIG ?= pkg-config
libraries  := sndfile=libsndfile1-dev flac=libflac-dev vorbisfile=libvorbis-dev \
              opusfile=libopusfile-dev ogg=libogg-dev libmpg123=libmpg123-dev soxr=libsoxr-dev \
              fftw3=libfftw3-dev portaudio-2.0=portaudio19-dev alsa=libasound2-dev \
              zlib=zlib1g-dev libzip=libzip-dev libuv=libuv1-dev jansson=libjansson-dev \
              inih=libinih-dev libmicrohttpd=libmicrohttpd-dev libsodium=libsodium-dev \
              -lwslay=libwslay-dev
optional   := $(foreach l,OpenCL=ocl-icd-opencl-dev libsystemd=libsystemd-dev cairo=libcairo2-dev \
                libcurl=libcurl4-gnutls-dev libavformat=libavformat-dev libavcodec=libavcodec-dev \
                libswresample=libswresample-dev libavutil=libavutil-dev libseccomp=libseccomp-dev,\
                $(if $(filter $(WITHOUT),$(firstword $(subst =, ,$(l)))),,$(l)))
# On emulated processors only the kernels are tested.
needed     := $(if $(filter emulated-programs,$(MAKECMDGOALS)),$(if $(FULL),$(libraries)),\
                $(libraries))

# A rule queries the architecture and the libraries' flags, after `make deps all` has installed the
# libraries. make then restarts with the new packages.mk.
goals := $(or $(MAKECMDGOALS),all)
ifneq ($(filter-out help deps clean uninstall check-fresh check-reproducible check-emulated deb addon image check-packages,$(goals)),)
-include $(BUILD)/packages.mk
endif
ifdef MAKE_RESTARTS
$(if $(packages_missing),$(error missing: $(packages_missing). "make deps" installs all of them))
$(if $(packages_left_out),$(info building without: $(packages_left_out)))
endif

$(BUILD)/packages.mk: always | $(if $(MAKE_RESTARTS),,$(filter deps,$(goals)))
	@tests/find-packages '$(CC)' '$(PKG_CONFIG)' '$(needed)' '$(optional)' $@

# ---- What is built from what -------------------------------------------------------------------

# The instruction sets of each architecture. plugins/cpu/instruction_set.c and blocks.c are compiled
# once for each of those they know, as if there were a file NAME_SET.c.
sets_x86_64  := avx2 avxvnni avx512 vnni amx
sets_aarch64 := neon dotprod
sets_of      = $(patsubst %,plugins/cpu/$(1)_%.c,$(filter $(2),$(sets_$(architecture))))
set_sources  := plugins/cpu/instruction_set_plain.c $(call sets_of,instruction_set,avx2 avx512 neon)
block_sources := $(call sets_of,blocks,avx2 avxvnni avx512 vnni dotprod)

convert_sources := $(wildcard models/convert/*.c)
checkpoint_sources := $(wildcard models/checkpoint/*.c)
# hearken-decode needs all of these libraries.
decode_sources  := $(if $(and $(libavformat_libs),$(libavcodec_libs),$(libswresample_libs),\
                     $(libavutil_libs),$(libseccomp_libs)),$(wildcard frontend/decode/*.c))
# The library and the plugins that compile kernels both contain the disk cache.
loads_portaudio := $(filter load,$(PORTAUDIO))
library_sources := $(filter-out frontend/decode/% $(if $(loads_portaudio),,%/sound_libraries.c),\
                     $(wildcard frontend/*/*.c)) \
                   $(wildcard plugins/host/*.c) plugins/common/disk_cache.c \
                   $(filter-out $(convert_sources),$(wildcard models/*/*.c))
# daemon/client/modules/modules.h says what the client's modules are.
client_modules  := $(if $(cairo_libs),cairo) $(if $(libcurl_libs),curl)
sources_cairo_module := $(addprefix daemon/client/,modules/cairo_module.c picture/picture_draw.c picture/picture_render.c)
sources_curl_module  := $(addprefix daemon/client/,modules/curl_module.c models/model_download.c recognition/http_recognition.c)
libs_cairo_module := $(cairo_libs)
libs_curl_module  := $(libcurl_libs) $(jansson_libs) $(libsodium_libs)
module_sources  := $(foreach m,$(client_modules),$(sources_$(m)_module))
client_sources  := $(filter-out $(sources_cairo_module) $(sources_curl_module),$(wildcard daemon/client/*/*.c))
daemon_sources  := $(wildcard daemon/*/*.c)
# What the client shares with the daemon.
client_shared_sources := $(addprefix daemon/common/,custom_word_list.c peer_value.c wyoming.c) \
                   $(wildcard daemon/transcript/*.c)
probe_sources   := $(wildcard plugins/probe/*.c)
plugins_found   := $(patsubst plugins/%/,%,$(dir $(wildcard plugins/*/*_plugin.c)))
plugins         := $(filter-out $(if $(OpenCL_libs),,opencl),$(plugins_found))
plugin_sources  := $(filter-out %/instruction_set.c %/blocks.c \
                     $(if $(filter amx,$(sets_$(architecture))),,%/blocks_amx.c),\
                     $(wildcard $(plugins:%=plugins/%/*.c))) $(set_sources) $(block_sources)
opencl_kernels  := $(wildcard plugins/opencl/kernels/*.cl)
page_files      := $(wildcard daemon/api/page/*.*)
unit_sources    := $(filter-out tests/unit/bad_plugins/% $(if $(decode_sources),,%/test_sandbox.c),\
                     $(wildcard tests/unit/*/*.c))
microphone_sources    := $(wildcard tests/microphone/*.c)
kernel_sources  := $(wildcard tests/kernels/*.c)
parity_sources  := $(wildcard tests/parity/*.c)
bench_sources   := $(wildcard tests/bench/*.c)
times_sources   := tests/bench/times/times_bench.c
peaks_sources   := tests/bench/peaks/peaks_bench.c
# tests/fuzz/fuzz_checkpoint.c is compiled once for each of these formats.
checkpoint_fuzz_sources := $(patsubst %,tests/fuzz/fuzz_%.c,ct2 safetensors torch)
fuzz_sources    := $(sort $(filter-out %/fuzz_checkpoint.c,$(wildcard tests/fuzz/fuzz_*.c)) \
                     $(checkpoint_fuzz_sources))
# Fuzz targets of the readers that only hearken-convert contains.
read_checkpoints := ct2 pickle safetensors torch vocabulary_files
fuzz_targets    := $(patsubst tests/fuzz/fuzz_%.c,%,$(fuzz_sources))
all_sources     := $(library_sources) $(daemon_sources) $(client_sources) $(module_sources) $(convert_sources) \
                   $(probe_sources) $(decode_sources) $(plugin_sources) $(unit_sources) $(microphone_sources) $(kernel_sources) \
                   $(parity_sources) \
                   $(bench_sources) $(times_sources) $(peaks_sources) $(fuzz_sources) tests/fuzz/http_daemon.c

objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
page_objects := $(page_files:%=$(BUILD)/obj/%.o)

libhearken := $(BUILD)/lib/libhearken.so
plugin_files := $(plugins:%=$(BUILD)/lib/hearken/%.so)
# Programs that the library starts.
probe_helper := $(BUILD)/lib/hearken/hearken-probe
decode_helper := $(if $(decode_sources),$(BUILD)/lib/hearken/hearken-decode)
module_files := $(client_modules:%=$(BUILD)/lib/hearken/client/%.so)
programs := $(BUILD)/bin/hearkend $(BUILD)/bin/hearken $(BUILD)/bin/hearken-convert

# Include paths start at the root. tests/layers checks which layer includes which.
include_for = -I. -Iinclude \
	$(if $(filter frontend/%,$(1)),$(frontend_cflags)) \
	$(if $(filter frontend/decode/%,$(1)),$(decode_cflags)) \
	$(if $(filter daemon/%,$(1)),$(daemon_cflags)) $(paths_for_$(basename $(notdir $(1)))) \
	$(if $(filter models/convert/%,$(1)),$(jansson_cflags) $(libzip_cflags)) \
	$(if $(filter tests/%,$(1)),$(daemon_cflags) $(libzip_cflags) \
		-DHEARKEN_SOURCE_ROOT='"$(CURDIR)"')
# Installed paths, for the files that use them; a change of one rebuilds these alone.
paths_for_daemon_options   = -DHEARKEN_SYSCONFDIR='"$(SYSCONFDIR)"'
paths_for_installed_models = -DHEARKEN_DATA_DIRECTORY='"$(DATADIR)/hearken"' \
                             -DHEARKEN_DATA_FROM_LIBRARY='"$(call from,$(LIBDIR),$(DATADIR)/hearken)"'
from = $(shell realpath -ms --relative-to='$(1)' '$(2)')

frontend_cflags := $(sndfile_cflags) $(flac_cflags) $(vorbisfile_cflags) $(opusfile_cflags) \
                   $(ogg_cflags) $(libmpg123_cflags) $(soxr_cflags) $(fftw3_cflags) \
                   $(portaudio-2.0_cflags) $(alsa_cflags) \
                   $(if $(loads_portaudio),-DHEARKEN_LOAD_PORTAUDIO)
decode_cflags   := $(libavformat_cflags) $(libavcodec_cflags) $(libswresample_cflags) \
                   $(libavutil_cflags) $(libseccomp_cflags)
daemon_cflags   := $(libuv_cflags) $(jansson_cflags) $(sndfile_cflags) $(flac_cflags) \
                   $(if $(libsystemd_libs),-DHEARKEN_SYSTEMD $(libsystemd_cflags)) \
                   $(cairo_cflags) $(if $(libcurl_libs),-DHEARKEN_CURL $(libcurl_cflags))

# -O3 vectorises the inner loops. Only the objects of plugins/cpu/ named after an instruction set get
# its flags.
flags_avx2    := -mavx2 -mfma -mf16c
flags_avxvnni := $(flags_avx2) -mavxvnni
flags_avx512  := $(flags_avx2) -mavx512f -mavx512bw -mavx512vl -mavx512dq
flags_vnni    := $(flags_avx512) -mavx512vnni
flags_amx     := $(flags_avx512) -mamx-tile -mamx-int8
flags_dotprod := -march=armv8.2-a+dotprod
flags_for = $(if $(filter plugins/reference/% plugins/common/% models/vad/vad.c,$(1)),-O3) \
            $(if $(filter plugins/cpu/%,$(1)),-O3 $(flags_$(lastword $(subst _, ,$(basename $(1))))))

library_libs := $(sndfile_libs) $(flac_libs) $(vorbisfile_libs) $(opusfile_libs) $(ogg_libs) \
                $(libmpg123_libs) $(soxr_libs) $(fftw3_libs) \
                $(if $(loads_portaudio),,$(portaudio-2.0_libs) $(alsa_libs)) $(zlib_libs) -ldl -lm
daemon_libs  := $(libuv_libs) $(jansson_libs) $(libsystemd_libs) $(inih_libs) $(libmicrohttpd_libs) \
                $(libsodium_libs) $(wslay_libs) $(zlib_libs) -lm

model_files := $(MODELS:%=%.gguf) voice.gguf

# ---- Targets -----------------------------------------------------------------------------------

.PHONY: help all deps demo run check check-emulated emulated-programs lint bench fuzz install uninstall clean
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

help:
	@echo 'make deps       install the Debian packages that building and testing need'
	@echo 'make [all]      build the library, the plugins, hearkend, hearken and hearken-convert'
	@echo 'make demo       build, start a daemon on a socket of its own, transcribe a recording'
	@echo 'make run        run hearkend from the build tree (ARGS="--verbose")'
	@echo 'make check      build and run all tests; ends with "N passed, N failed"'
	@echo 'make check-fresh  the same on Debian 12 and 13 with nothing installed (root, debootstrap)'
	@echo 'make check-reproducible  build twice and compare'
	@echo 'make check-scale  many daemons behind the real HAProxy, an archive with the real Slurm (root)'
	@echo 'make check-emulated  test the kernels of processors that this machine does not have'
	@echo 'make deb        Debian packages into build/deb; make check-packages tests them (root)'
	@echo 'make image      an image for containers; make addon: a folder for Home Assistant'
	@echo 'make wheel      Python wheels into build/wheels; make check-wheel tests them'
	@echo 'make lint       clang-format, clang-tidy, ruff and mypy'
	@echo 'make bench      time the kernels and whole recordings; make bench-streaming: partial texts;'
	@echo '                make bench-roofline: the kernels beside what this machine could do'
	@echo 'make fuzz       run each fuzz target for SECONDS (60)'
	@echo 'make install    into DESTDIR and PREFIX (/usr/local); make uninstall takes it back;'
	@echo '                MODELS="$(MODELS)" without those that are not wanted'
	@echo 'make clean      remove build/'
	@echo
	@echo 'SANITIZER=address|undefined|thread and DEBUG=1 build beside the normal tree.'
	@echo 'WERROR=0 leaves warnings warnings; WITHOUT="OpenCL libsystemd cairo libcurl libavformat" builds without them.'

all: $(libhearken) $(plugin_files) $(probe_helper) $(decode_helper) $(module_files) $(programs) $(model_files:%=$(BUILD)/share/hearken/%)

# libhearken
soname := libhearken.so.$(SOVERSION)

$(libhearken): $(BUILD)/lib/$(soname)
	$(Q)ln -sf $(soname) $@

$(BUILD)/lib/$(soname): $(BUILD)/lib/libhearken.so.$(VERSION)
	$(Q)ln -sf libhearken.so.$(VERSION) $@

$(BUILD)/lib/libhearken.so.$(VERSION): $(call objects,$(library_sources)) \
                                      include/libhearken.map
	$(SAY) LINK $@
	@mkdir -p $(@D)
	$(Q)$(CC) -shared -Wl,-soname,$(soname) \
		-Wl,--version-script=include/libhearken.map $(LINK) $(LDFLAGS) -o $@ $(filter %.o,$^) $(library_libs)

# Plugins: one shared object for each folder with a *_plugin.c. reference and cpu share the buffers,
# checks and copying kernels of plugins/common/.
sources_reference := $(filter-out %/disk_cache.c,$(wildcard plugins/common/*.c))
sources_cpu := $(filter-out %/disk_cache.c,$(wildcard plugins/common/*.c))

# opencl shares the checks and the disk cache, and embeds its kernels. Drivers have threads of their
# own and cannot be unloaded, so the plugin is not unloaded either.
sources_opencl := $(patsubst %,plugins/common/%.c,kernel_check host_memory disk_cache)
objects_opencl := $(opencl_kernels:%.cl=$(BUILD)/obj/%.o)
libs_opencl    := $(OpenCL_libs) -Wl,-z,nodelete

define plugin_rule
$(BUILD)/lib/hearken/$(1).so: $$(call objects,$$(filter plugins/$(1)/%,$$(plugin_sources)) \
                                              $$(sources_$(1))) $$(objects_$(1))
	$$(SAY) LINK $$@
	@mkdir -p $$(@D)
	$$(Q)$$(CC) -shared $$(LINK) $$(LDFLAGS) -o $$@ $$^ $$(libs_$(1)) -lm
endef
$(foreach p,$(plugins),$(eval $(call plugin_rule,$(p))))

# The library starts it to probe plugins. It is installed with them, beside the library.
$(probe_helper): $(call objects,$(probe_sources) $(addprefix plugins/host/,probe_answer.c plugin_library.c))
	$(SAY) LINK $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(LINK) $(LDFLAGS) -o $@ $^ -ldl

# The library starts it for recordings that it cannot read. Nothing else links FFmpeg.
$(BUILD)/lib/hearken/hearken-decode: $(call objects,$(decode_sources))
	$(SAY) LINK $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(filter-out $(SANITIZE),$(LINK)) $(LDFLAGS) -o $@ $^ $(libavformat_libs) $(libavcodec_libs) \
		$(libswresample_libs) $(libavutil_libs) $(libseccomp_libs) -lm

# Programs find the library by its place relative to them, in the build tree and when installed.
library_from_program := $(call from,$(BINDIR),$(LIBDIR))
run_path     := $$ORIGIN/../lib$(if $(filter-out ../lib,$(library_from_program)),:$$ORIGIN/$(library_from_program))
link_program = $(Q)$(CC) $(LINK) $(LDFLAGS) -Wl,-rpath,'$(run_path)' -o $@ \
               $(filter %.o,$^) -L$(BUILD)/lib -lhearken $(1)

$(BUILD)/bin/hearkend $(BUILD)/bin/hearken: $(BUILD)/paths

$(BUILD)/bin/hearkend: $(call objects,$(daemon_sources)) $(page_objects) $(libhearken)
	$(SAY) LINK $@
	@mkdir -p $(@D)
	$(call link_program,$(daemon_libs))

$(BUILD)/bin/hearken: $(call objects,$(client_sources) $(client_shared_sources)) $(libhearken)
	$(SAY) LINK $@
	@mkdir -p $(@D)
	$(call link_program,$(jansson_libs) $(sndfile_libs) $(libsodium_libs) -ldl -lm)

# An archive, from which the linker takes only what a module needs.
$(BUILD)/obj/client.a: $(call objects,$(client_sources) $(client_shared_sources))
	$(SAY) AR $@
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

define module_rule
$(BUILD)/lib/hearken/client/$(1).so: $$(call objects,$$(sources_$(1)_module)) $(BUILD)/obj/client.a $$(libhearken)
	$$(SAY) LINK $$@
	@mkdir -p $$(@D)
	$$(Q)$$(CC) -shared $$(LINK) $$(LDFLAGS) -o $$@ $$(filter %.o %.a,$$^) -L$$(BUILD)/lib -lhearken $$(libs_$(1)_module) -lm
endef
$(foreach m,$(client_modules),$(eval $(call module_rule,$(m))))

$(BUILD)/bin/hearken-convert: $(call objects,$(convert_sources) $(checkpoint_sources) \
                                         $(addprefix models/file/,gguf.c file_copy.c installed_models.c error.c))
	$(SAY) LINK $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(LINK) $(LDFLAGS) -o $@ $^ $(jansson_libs) $(libzip_libs) -lm

# The build tree has the layout of an installed one, so that programs find the models in both.
$(BUILD)/share/hearken/%.gguf:
	@mkdir -p $(@D)
	$(Q)ln -sf $(CURDIR)/models/data/$*.gguf $@

# With the flags of source $(1). The sandbox of hearken-decode denies what sanitizers need.
compile = $(Q)$(CC) $(if $(filter frontend/decode/%,$(1)),$(filter-out $(SANITIZE),$(COMPILE)),$(COMPILE)) $(CFLAGS) $(call flags_for,$(1)) $(call include_for,$<) -MMD -MP -c -o $@ $<

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	$(SAY) CC $<
	@mkdir -p $(@D)
	$(call compile,$<)

# Of sources that are compiled several times.
upper = $(shell echo $(1) | tr a-z A-Z)

$(call objects,$(set_sources)): $(BUILD)/obj/plugins/cpu/instruction_set_%.o: \
                                plugins/cpu/instruction_set.c $(BUILD)/flags
	$(SAY) CC "$< ($*)"
	@mkdir -p $(@D)
	$(call compile,$(basename $<)_$*.c) -DFOR_$(call upper,$*)

$(call objects,$(block_sources)): $(BUILD)/obj/plugins/cpu/blocks_%.o: plugins/cpu/blocks.c $(BUILD)/flags
	$(SAY) CC "$< ($*)"
	@mkdir -p $(@D)
	$(call compile,$(basename $<)_$*.c) -DFOR_$(call upper,$*)

# A file as a string of the name $(1).
embed = $(Q){ echo 'extern const char $(1)[]; const char $(1)[] = {'; \
	      od -An -v -tx1 $< | sed "s/ \(..\)/'\\\\x\1',/g"; echo '0};'; } | \
		$(CC) $(COMPILE) $(CFLAGS) -x c -c -o $@ -

$(BUILD)/obj/plugins/opencl/kernels/%.o: plugins/opencl/kernels/%.cl $(BUILD)/flags
	$(SAY) EMBED $<
	@mkdir -p $(@D)
	$(call embed,opencl_kernels_$*)

$(BUILD)/obj/daemon/api/page/%.o: daemon/api/page/% $(BUILD)/flags
	$(SAY) EMBED $<
	@mkdir -p $(@D)
	$(call embed,page_$(subst .,_,$*))

# Records the compiler and its flags: a change of either rebuilds everything.
flags_now := $(strip $(CC) $(COMPILE) $(CFLAGS) $(LDFLAGS) $(WITHOUT) $(loads_portaudio))
paths_now := $(strip $(BINDIR) $(LIBDIR) $(DATADIR) $(SYSCONFDIR))
changed    = $(if $(findstring x$($(1)_now)x,x$(strip $(shell cat $(BUILD)/$(1) 2>/dev/null))x),,always)
$(BUILD)/flags: $(call changed,flags)
$(BUILD)/paths: $(call changed,paths)
$(BUILD)/flags $(BUILD)/paths:
	@mkdir -p $(@D) && echo '$(subst ','\'',$($(@F)_now))' >$@
$(call objects,daemon/server/daemon_options.c models/file/installed_models.c): $(BUILD)/paths
.PHONY: always

-include $(patsubst %.c,$(BUILD)/obj/%.d,$(all_sources))

include tests/tests.mk
include python/python.mk
include packaging/packaging.mk

# ---- Setting up, trying out --------------------------------------------------------------------

deps:
	./tests/install-packages

demo: all
	./tests/demo $(BUILD)

run: all
	$(BUILD)/bin/hearkend $(ARGS)

clean:
	rm -rf build

# ---- Installing --------------------------------------------------------------------------------

substitute = sed -e 's|@VERSION@|$(VERSION)|g' -e 's|@PREFIX@|$(PREFIX)|g' \
                 -e 's|@BINDIR@|$(BINDIR)|g' -e 's|@LIBDIR@|$(LIBDIR)|g' \
                 -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|g' -e 's|@SYSCONFDIR@|$(SYSCONFDIR)|g'
manuals1 := $(wildcard daemon/man/*.1)
manuals5 := $(wildcard daemon/man/*.5)
manuals8 := $(wildcard daemon/man/*.8)
completions := $(addprefix $(DATADIR)/,bash-completion/completions/hearken \
                 zsh/site-functions/_hearken fish/vendor_completions.d/hearken.fish)
user_units   := hearkend.socket hearkend-http.socket hearkend.service
system_units := $(user_units) hearkend-wyoming.socket hearkend-avahi.service

install: all
	install -d $(addprefix $(DESTDIR),$(BINDIR) $(LIBDIR)/hearken $(LIBDIR)/pkgconfig \
		$(INCLUDEDIR)/hearken $(DATADIR)/hearken $(MANDIR)/man1 $(MANDIR)/man5 $(MANDIR)/man8 \
		$(UNITDIR) $(USERUNITDIR) $(SYSUSERSDIR) $(TMPFILESDIR) $(dir $(completions)))
	install -m 755 $(programs) $(DESTDIR)$(BINDIR)
	install -m 755 $(BUILD)/lib/libhearken.so.$(VERSION) $(DESTDIR)$(LIBDIR)
	ln -sf libhearken.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(soname)
	ln -sf $(soname) $(DESTDIR)$(LIBDIR)/libhearken.so
	install -m 755 $(plugin_files) $(probe_helper) $(decode_helper) $(DESTDIR)$(LIBDIR)/hearken
	$(if $(module_files),install -D -m 755 -t $(DESTDIR)$(LIBDIR)/hearken/client $(module_files))
	install -m 644 include/hearken/*.h $(DESTDIR)$(INCLUDEDIR)/hearken
	install -m 644 $(model_files:%=models/data/%) $(DESTDIR)$(DATADIR)/hearken
	install -m 644 $(manuals1) $(DESTDIR)$(MANDIR)/man1
	install -m 644 $(manuals5) $(DESTDIR)$(MANDIR)/man5
	install -m 644 $(manuals8) $(DESTDIR)$(MANDIR)/man8
	$(BUILD)/bin/hearken completion bash >$(DESTDIR)$(word 1,$(completions))
	$(BUILD)/bin/hearken completion zsh >$(DESTDIR)$(word 2,$(completions))
	$(BUILD)/bin/hearken completion fish >$(DESTDIR)$(word 3,$(completions))
	$(substitute) include/hearken.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/hearken.pc
	for unit in $(system_units); do \
		$(substitute) systemd/$$unit.in >$(DESTDIR)$(UNITDIR)/$$unit || exit 1; \
	done
	for unit in $(user_units); do \
		$(substitute) systemd/user/$$unit.in >$(DESTDIR)$(USERUNITDIR)/$$unit || exit 1; \
	done
	install -m 644 systemd/hearkend.sysusers $(DESTDIR)$(SYSUSERSDIR)/hearkend.conf
	install -m 644 systemd/hearkend.tmpfiles $(DESTDIR)$(TMPFILESDIR)/hearkend.conf

uninstall:
	rm -f $(addprefix $(DESTDIR)$(BINDIR)/,$(notdir $(programs)))
	rm -f $(DESTDIR)$(LIBDIR)/libhearken.so* $(DESTDIR)$(LIBDIR)/pkgconfig/hearken.pc
	rm -rf $(DESTDIR)$(LIBDIR)/hearken $(DESTDIR)$(INCLUDEDIR)/hearken $(DESTDIR)$(DATADIR)/hearken
	rm -f $(addprefix $(DESTDIR)$(MANDIR)/man1/,$(notdir $(manuals1))) \
	      $(addprefix $(DESTDIR)$(MANDIR)/man5/,$(notdir $(manuals5))) \
	      $(addprefix $(DESTDIR)$(MANDIR)/man8/,$(notdir $(manuals8)))
	rm -f $(addprefix $(DESTDIR),$(completions))
	rm -f $(addprefix $(DESTDIR)$(UNITDIR)/,$(system_units)) \
	      $(addprefix $(DESTDIR)$(USERUNITDIR)/,$(user_units))
	rm -f $(addprefix $(DESTDIR),$(SYSUSERSDIR)/hearkend.conf $(TMPFILESDIR)/hearkend.conf)
