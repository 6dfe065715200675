# Debian packages, an image for containers. Included by the Makefile. They are built from what git
# knows of this tree.

DEB_FOLDER := build/deb
deb_tree   := $(DEB_FOLDER)/hearken-$(VERSION)

.PHONY: deb image check-packages

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

# Fresh machines in temporary folders: see there.
check-packages:
	@VERSION='$(VERSION)' MIRROR='$(MIRROR)' tests/packages
