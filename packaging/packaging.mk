# Debian packages, an image for containers, an add-on for Home Assistant. Included by the Makefile;
# docs/packaging.md says what is in them. All are built from what git knows of this tree.

DEB_FOLDER := build/deb
deb_tree   := $(DEB_FOLDER)/hearken-$(VERSION)

.PHONY: deb addon image check-packages

# Nothing of this make's options reaches the build: its flags are Debian's.
deb:
	@rm -rf $(DEB_FOLDER)
	@packaging/stage-deb $(VERSION) $(deb_tree)
	cd $(deb_tree) && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL dpkg-buildpackage -b -us -uc
	@rm -rf $(deb_tree)
	@ls $(DEB_FOLDER)/*.deb

# BASE: the Debian that it is built on. Health checks are of Docker's format alone.
BASE       ?= docker.io/library/debian:13-slim
BUILDAH    ?= buildah
image_tree := build/image/source

image:
	@packaging/stage-deb $(VERSION) $(image_tree)
	$(BUILDAH) bud --format docker --layers=false --build-arg BASE=$(BASE) \
		--build-arg MODEL=$(firstword $(MODELS)) -t hearken:$(VERSION) -t hearken:latest \
		-f packaging/Containerfile $(image_tree)
	@rm -rf $(image_tree)

# With the packages of this release of Debian and this processor in it.
addon_tree = build/homeassistant/hearken
addon_arch = $(subst arm64,aarch64,$(shell dpkg --print-architecture))

addon: deb
	@rm -rf $(addon_tree)
	@mkdir -p $(addon_tree)/packages
	cp -r packaging/homeassistant/. $(addon_tree)
	cp $(filter-out %-dbgsym_$(VERSION)_%,$(foreach p,hearken hearkend libhearken0 hearken-model-%,\
		$(wildcard $(DEB_FOLDER)/$(subst %,*,$(p))_$(VERSION)_*.deb))) $(addon_tree)/packages
	sed -i -e 's|@VERSION@|$(VERSION)|' -e 's|@ARCHITECTURE@|$(addon_arch)|' \
		-e "s|@RELEASE@|$$(. /etc/os-release && echo $$VERSION_CODENAME)|" \
		$(addon_tree)/config.yaml $(addon_tree)/build.yaml

# Fresh machines in temporary folders: see there.
check-packages:
	@VERSION='$(VERSION)' MIRROR='$(MIRROR)' tests/packages
