# Building and running the tests. Included by the Makefile.

# The objects of the library and the daemon, so that tests can call functions that are not exported.
library_objects := $(call objects,$(library_sources))
# Tests have the modules in them.
client_objects  := $(call objects,$(filter-out %/client_main.c %/completion_command.c \
                      $(client_modules:%=daemon/client/modules/%_calls.c),$(client_sources)) \
                    $(client_shared_sources) $(module_sources))
daemon_objects  := $(call objects,$(filter-out daemon/server/hearkend_main.c,$(daemon_sources))) \
                   $(page_objects)

# The checkpoint readers that only hearken-convert contains.
reader_objects  := $(call objects,$(addprefix models/convert/,json_lists.c ct2.c hugging_face.c \
                    pickle.c torch_archive.c vocabulary_files.c))

# The parts of plugins that have unit tests.
plugin_objects  := $(call objects,$(addprefix plugins/cpu/,cpu_processor.c thread_pool.c \
                    weight_arena.c workspace.c))

# The client has names of its own for functions that the library has, too: a program of its own.
client_tests := $(wildcard tests/unit/client/*.c)
refused_plugins := backend_fails bad_name missing_part no_symbol score_zero unruly_probe wrong_abi \
                   wrong_size wrong_table_size
bad_plugins  := $(patsubst %,$(BUILD)/tests/bad-plugins/%.so,misbehaving $(refused_plugins))
test_programs := $(BUILD)/tests/unit-test $(BUILD)/tests/client-test $(BUILD)/tests/microphone-test $(BUILD)/tests/kernels-test $(BUILD)/tests/parity-test

# Tests contain the library, so they look for the helper beside themselves.
$(BUILD)/tests/hearken/hearken-probe: $(probe_helper)
	@mkdir -p $(@D)
	$(Q)ln -sf $(abspath $<) $@
$(BUILD)/tests/unit-test $(BUILD)/tests/parity-test: | $(BUILD)/tests/hearken/hearken-probe

# Calls add_NAME_tests() of each test_NAME.c among the sources.
$(BUILD)/tests/unit_main.c:   suite_sources = $(filter-out $(client_tests),$(unit_sources))
$(BUILD)/tests/client_main.c: suite_sources = $(client_tests)
$(BUILD)/tests/microphone_main.c: suite_sources = $(microphone_sources)
$(BUILD)/tests/unit_main.c $(BUILD)/tests/client_main.c $(BUILD)/tests/microphone_main.c: \
		$(unit_sources) $(microphone_sources) tests/tests.mk tests/unit/common/choose_tests.h
	@mkdir -p $(@D)
	@{ suites='$(sort $(patsubst test_%.c,%,$(filter test_%,$(notdir $(suite_sources)))))'; \
	   echo '#include "tests/unit/common/choose_tests.h"'; \
	   for suite in $$suites; do echo "void add_$${suite}_tests(void);"; done; \
	   echo 'int main(int argc, char **argv) {'; \
	   echo '    CU_initialize_registry();'; \
	   for suite in $$suites; do echo "    add_$${suite}_tests();"; done; \
	   echo '    if (!choose_tests(argc, argv)) return 2;'; \
	   echo '    CU_basic_set_mode(CU_BRM_VERBOSE);'; \
	   echo '    CU_basic_run_tests();'; \
	   echo '    int failed = CU_get_number_of_tests_failed() + CU_get_number_of_suites_failed();'; \
	   echo '    CU_cleanup_registry();'; \
	   echo '    return failed ? 1 : 0; }'; } >$@

$(BUILD)/tests/unit-test: $(BUILD)/tests/unit_main.c \
                          $(call objects,$(filter-out $(client_tests),$(unit_sources))) \
                          $(daemon_objects) $(library_objects) $(plugin_objects) \
                          $(reader_objects) $(call objects,$(filter %/sandbox.c,$(decode_sources)))
	$(SAY) LINK $@
	$(Q)$(CC) -I. $(SANITIZE) $(LINK) $(LDFLAGS) -o $@ $^ $(library_libs) $(daemon_libs) \
		$(libzip_libs) $(libseccomp_libs) -lcunit

$(BUILD)/obj/tests/client_main.o $(BUILD)/obj/tests/microphone_main.o: \
		$(BUILD)/obj/tests/%.o: $(BUILD)/tests/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) -I. $(CFLAGS) -c -o $@ $<
$(BUILD)/tests/client-test: $(BUILD)/obj/tests/client_main.o $(call objects,$(client_tests)) \
                            $(client_objects) $(libhearken)
	$(SAY) LINK $@
	$(call link_program,$(jansson_libs) $(sndfile_libs) $(cairo_libs) $(libcurl_libs) $(libsodium_libs) -lm -lcunit)

# An archive, from which the linker takes only the objects that resolve a symbol: so the fakes in
# tests/microphone/ replace the daemon's functions.
$(BUILD)/tests/daemon.a: $(daemon_objects)
	$(SAY) AR $@
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

# The daemon's own listening, daemon/microphone/microphone_hub.c and what it is made of.
$(BUILD)/tests/microphone-test: $(BUILD)/obj/tests/microphone_main.o \
                          $(call objects,$(microphone_sources)) $(BUILD)/tests/daemon.a \
                          $(library_objects)
	$(SAY) LINK $@
	$(Q)$(CC) $(SANITIZE) $(LINK) $(LDFLAGS) -o $@ $^ $(library_libs) $(daemon_libs) -lcunit

$(BUILD)/tests/kernels-test: $(call objects,$(kernel_sources))
	$(SAY) LINK $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(LINK) $(LDFLAGS) -o $@ $^ -lcunit -ldl -lm

$(BUILD)/tests/parity-test: $(call objects,$(parity_sources)) $(library_objects)
	$(SAY) LINK $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(LINK) $(LDFLAGS) -o $@ $^ $(library_libs) -lcunit

# Plugins that the host must reject, variants of one source, and one that it has to survive.
$(refused_plugins:%=$(BUILD)/tests/bad-plugins/%.so): tests/unit/bad_plugins/refused.c
$(BUILD)/tests/bad-plugins/misbehaving.so: tests/unit/bad_plugins/misbehaving.c
$(bad_plugins): $(BUILD)/tests/bad-plugins/%.so: tests/unit/bad_plugins/bad.h \
                                                 include/hearken/plugin.h
	$(SAY) LINK $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(COMPILE) $(CFLAGS) -I. -Iinclude -D$(call upper,$*) \
		-DNAME='"$(subst _,-,$*)"' -shared -o $@ $(filter %.c,$^)

# Measures the latency of partial texts: tests/bench/streaming.
$(BUILD)/bin/stream-bench: $(call objects,$(bench_sources)) $(libhearken)
	$(SAY) LINK $@
	@mkdir -p $(@D)
	$(call link_program,)

$(BUILD)/bin/times-bench: $(call objects,tests/bench/times/times_bench.c) $(libhearken)
	$(SAY) LINK $@
	@mkdir -p $(@D)
	$(call link_program,)

# What the machine could do: tests/bench/roofline.
$(BUILD)/bin/peaks-bench: $(call objects,$(peaks_sources))
	$(SAY) LINK $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(LINK) $(LDFLAGS) -o $@ $^

# Times the kernels of another plugin: see tests/bench/profile/profile_plugin.c.
$(BUILD)/tests/bench/profile.so: tests/bench/profile/profile_plugin.c include/hearken/plugin.h
	$(SAY) LINK $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(COMPILE) $(CFLAGS) -I. -Iinclude -shared -o $@ $< -ldl

# The cpu plugin with emulated AMX tiles (plugins/cpu/tiles.h), to test its AMX kernels without AMX.
# They need a processor with AVX-512, since the code around the tiles uses its vectors.
ifneq ($(filter amx,$(sets_$(architecture))),)
modelled    := plugins/cpu/blocks_amx.c plugins/cpu/cpu_processor.c
tile_plugin := $(BUILD)/tests/tile-model/cpu.so

$(BUILD)/obj/tile-model/%.o: %.c $(BUILD)/flags
	$(SAY) CC "$< (tile model)"
	@mkdir -p $(@D)
	$(Q)$(CC) $(COMPILE) $(CFLAGS) $(call flags_for,$<) $(call include_for,$<) -DTILE_MODEL \
		-MMD -MP -c -o $@ $<

$(tile_plugin): $(modelled:%.c=$(BUILD)/obj/tile-model/%.o) $(call objects,$(sources_cpu) \
                $(filter-out $(modelled),$(filter plugins/cpu/%,$(plugin_sources))))
	$(SAY) LINK $@
	@mkdir -p $(@D)
	$(Q)$(CC) -shared $(LINK) $(LDFLAGS) -o $@ $^ -lm

-include $(modelled:%.c=$(BUILD)/obj/tile-model/%.d)
endif

# An OpenCL layer that simulates the loss of the device, for the end-to-end tests.
lost_device := $(if $(filter opencl,$(plugins)),$(BUILD)/tests/lost-device.so)
$(BUILD)/tests/lost-device.so: tests/e2e/lost_device.c
	$(SAY) LINK $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(COMPILE) $(CFLAGS) -shared -o $@ $< -ldl

# The Python packages of the end-to-end tests.
venv := build/venv
$(venv)/ready: tests/requirements.txt | $(filter deps,$(goals))
	$(SAY) VENV $(venv)
	$(Q)python3 -m venv $(venv)
	$(Q)$(venv)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

check: all $(test_programs) $(bad_plugins) $(tile_plugin) $(lost_device) $(venv)/ready \
       $(if $(SANITIZER),,fuzz-programs)
	@BUILD='$(BUILD)' SANITIZER='$(SANITIZER)' PLUGINS='$(plugins)' VENV='$(venv)' CC='$(CC)' \
		TILE_PLUGIN='$(tile_plugin)' FUZZ='$(fuzz_targets)' tests/run

# Many machines: installs what that needs, as root.
scale_packages := haproxy slurm-wlm munge
.PHONY: check-scale
$(venv)/scale-ready: tests/scale/requirements.txt | $(venv)/ready
	$(Q)$(venv)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@
check-scale: all $(venv)/ready $(venv)/scale-ready
	@tests/install-packages $(scale_packages)
	@BUILD='$(BUILD)' SANITIZER='$(SANITIZER)' PLUGINS='$(plugins)' VENV='$(venv)' tests/run scale

# Fresh machines in temporary folders; SHORT=1 and FULL=1: see there.
check-fresh:
	@SHORT='$(SHORT)' FULL='$(FULL)' MIRROR='$(MIRROR)' tests/fresh

# Two builds in two folders are the same, byte by byte.
check-reproducible:
	@tests/reproducible
.PHONY: check-reproducible

# On emulated processors (docs/testing.md says what has to be installed).
check-emulated: $(BUILD)/lib/hearken/cpu.so $(BUILD)/tests/kernels-test
	$(Q)PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig $(MAKE) --no-print-directory \
		BUILD=build/aarch64 CC=aarch64-linux-gnu-gcc emulated-programs
	@tests/emulated

emulated-programs: $(BUILD)/lib/hearken/cpu.so $(BUILD)/tests/kernels-test \
                   $(if $(FULL),$(plugin_files) $(BUILD)/tests/unit-test $(bad_plugins))

# What clang-tidy reads: all but the kernels for instruction sets that need flags of their own.
tidy_sources := frontend/capture/sound_libraries.c $(filter-out plugins/cpu/%,$(library_sources) $(daemon_sources) $(client_sources) $(module_sources) \
                  $(convert_sources) $(checkpoint_sources) $(probe_sources) $(decode_sources) $(plugin_sources))
tidy_flags   := $(filter-out -W%,$(COMPILE)) $(sort $(foreach f,frontend/decode/a.c daemon/a.c models/convert/a.c,\
                  $(call include_for,$(f)))) $(OpenCL_cflags)

lint: $(venv)/ready
	clang-format --dry-run -Werror $$(git ls-files '*.c' '*.h')
	@printf '%s\n' $(tidy_sources) | xargs -P "$$(nproc)" -n 8 sh -c \
		'clang-tidy --quiet "$$@" -- $(tidy_flags) 2>/dev/null' clang-tidy
	$(venv)/bin/ruff check models/train tests python
	$(venv)/bin/ruff format --check models/train tests python
	cd python && $(CURDIR)/$(venv)/bin/mypy

bench: all $(BUILD)/tests/kernels-test $(BUILD)/bin/times-bench
	$(BUILD)/tests/kernels-test --bench $(plugin_files)
	$(BUILD)/bin/times-bench $(or $(SPEECH),tests/data/2086-149214-0003.flac)

.PHONY: bench-roofline bench-streaming
bench-roofline: all $(BUILD)/bin/peaks-bench $(BUILD)/tests/bench/profile.so $(venv)/ready
	tests/bench/roofline --build $(BUILD) $(ARGS)

bench-streaming: all $(BUILD)/bin/stream-bench $(venv)/ready
	tests/bench/streaming --build $(BUILD) $(ARGS)

# ---- Fuzzing: clang's libFuzzer, a tree of its own ---------------------------------------------

FUZZ_BUILD  := build/fuzz
FUZZ_CFLAGS := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
SECONDS     ?= 60

.PHONY: fuzz-programs fuzz-links
fuzz-programs:
	$(Q)$(MAKE) --no-print-directory BUILD=$(FUZZ_BUILD) CC=clang CFLAGS='$(FUZZ_CFLAGS)' \
		LDFLAGS='-fsanitize=fuzzer,address,undefined' fuzz-links

fuzz-links: $(fuzz_targets:%=$(BUILD)/fuzz-%)

$(call objects,$(checkpoint_fuzz_sources)): $(BUILD)/obj/tests/fuzz/fuzz_%.o: \
                                            tests/fuzz/fuzz_checkpoint.c $(BUILD)/flags
	$(SAY) CC "$< ($*)"
	@mkdir -p $(@D)
	$(call compile,$<) -DFOR_$(call upper,$*)

$(BUILD)/fuzz-vocabulary: $(call objects,tests/unit/common/make_gguf.c)
$(BUILD)/fuzz-http $(BUILD)/fuzz-websocket: $(call objects,tests/fuzz/http_daemon.c)
$(BUILD)/fuzz-%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(daemon_objects) $(library_objects)
	$(SAY) LINK $@
	$(Q)$(CC) $(LINK) $(LDFLAGS) -o $@ $^ $(library_libs) $(daemon_libs)

$(read_checkpoints:%=$(BUILD)/fuzz-%): $(reader_objects)
$(read_checkpoints:%=$(BUILD)/fuzz-%): library_libs += $(libzip_libs)

fuzz: fuzz-programs
	@for target in $(fuzz_targets); do \
		tests/fuzz/run $(FUZZ_BUILD) $$target $(SECONDS) || exit 1; done
