# The Python package: wheels of the library, with its plugins and the libraries that they need, and of
# the models. docs/python.md says what is in them.

WHEEL_BUILD  := build/wheel
WHEELS       := build/wheels
wheel_venv   := $(WHEEL_BUILD)/venv
wheel_stage  := $(WHEEL_BUILD)/stage
wheel_models := $(filter-out voice.gguf,$(model_files))

.PHONY: wheel wheel-library check-wheel

# PortAudio is loaded from the system, since a copy of it would bring ALSA and JACK along; OpenCL is
# the system's, with its drivers; FFmpeg is only in hearken-decode, which is left to the system.
wheel: $(wheel_venv)/ready
	$(Q)$(MAKE) --no-print-directory BUILD=$(WHEEL_BUILD) PORTAUDIO=load LIBDIR=/nowhere/lib DATADIR=/nowhere/share wheel-library
	$(Q)python/make-wheels --build $(WHEEL_BUILD) --to $(WHEELS) --models '$(wheel_models)'

check-wheel: all wheel
	python/check-wheel $(WHEELS) $(BUILD) $(ARGS)

wheel-library: $(libhearken) $(plugin_files) $(probe_helper)

$(wheel_venv)/ready: python/requirements-build.txt
	$(SAY) VENV $(wheel_venv)
	$(Q)python3 -m venv $(wheel_venv)
	$(Q)$(wheel_venv)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@
