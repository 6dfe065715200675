# Debian packages. Included by the Makefile. They are built from what git knows of this tree.

DEB_FOLDER := build/deb
deb_tree   := $(DEB_FOLDER)/hearken-$(VERSION)

.PHONY: deb check-packages

# Nothing of this make's options reaches the build: its flags are Debian's.
deb:
	@rm -rf $(DEB_FOLDER)
	@packaging/stage-deb $(VERSION) $(deb_tree)
	cd $(deb_tree) && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL dpkg-buildpackage -b -us -uc
	@rm -rf $(deb_tree)
	@ls $(DEB_FOLDER)/*.deb

# Fresh machines in temporary folders: see there.
check-packages:
	@VERSION='$(VERSION)' MIRROR='$(MIRROR)' tests/packages
