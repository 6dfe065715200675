# Building and running the tests. Included by the Makefile.

# The objects of the library, so that tests reach what it does not export.
library_objects := $(call objects,$(library_sources))

$(BUILD)/tests/parity-test: $(call objects,$(parity_sources)) $(library_objects)
	$(SAY) LINK $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(LINK) $(LDFLAGS) -o $@ $^ $(library_libs) -lcunit
