package testkit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// installed names the HAProxy that is installed on the machine.
const installed = "installed"

// A HAProxyBinary is one release of HAProxy.
type HAProxyBinary struct {
	// Name is "installed" or that of its folder, e.g. "trixie".
	Name    string
	Version string // e.g. "2.6.12-1+deb12u4"
	Path    string
}

// HAProxy returns the path of the haproxy executable. THALASSA_HAPROXY chooses
// it: a path, a name ("trixie") or the beginning of a version ("3.2") of those
// that HAProxies finds; empty: the installed one. When there is none the test
// fails in CI and is skipped at a desk.
func HAProxy(tb testing.TB) string {
	tb.Helper()
	Needs(tb, "HAProxy")
	if os.Getenv("THALASSA_HAPROXY") != "" {
		return HAProxies(tb)[0].Path
	}
	path := installedHAProxy()
	if _, err := os.Stat(path); err != nil {
		Missing(tb, "haproxy is not installed; make setup installs it")
	}
	return path
}

func installedHAProxy() string {
	if path, err := exec.LookPath("haproxy"); err == nil {
		return path
	}
	return "/usr/sbin/haproxy" // not in an ordinary user's PATH
}

// HAProxies returns every HAProxy at hand, or only the one that THALASSA_HAPROXY chooses: the
// installed one first, then those of other releases, each in a folder of the user's cache
// (tools/setup haproxys). There is at least one.
func HAProxies(tb testing.TB) []HAProxyBinary {
	tb.Helper()
	Needs(tb, "HAProxy")
	want := os.Getenv("THALASSA_HAPROXY")
	if strings.Contains(want, "/") {
		version, err := haproxyVersion(want)
		if err != nil {
			tb.Fatalf("THALASSA_HAPROXY: %v", err)
		}
		return []HAProxyBinary{{Name: want, Version: version, Path: want}}
	}
	found := everyHAProxy(tb, want)
	if want == "" {
		if len(found) == 0 || found[0].Name != installed {
			Missing(tb, "haproxy is not installed; make setup installs it")
		}
		return found
	}
	for _, b := range found {
		if b.Name == want || b.Version == want || strings.HasPrefix(b.Version, want+".") {
			return []HAProxyBinary{b}
		}
	}
	Missing(tb, fmt.Sprintf("no HAProxy %s is at hand, only %v; tools/setup haproxys gets some", want, found))
	return nil
}

// everyHAProxy lists those there are, or, where it is the name of one, that one.
func everyHAProxy(tb testing.TB, want string) []HAProxyBinary {
	tb.Helper()
	var found []HAProxyBinary
	add := func(name, path string) {
		if version, err := haproxyVersion(path); err == nil {
			found = append(found, HAProxyBinary{Name: name, Version: version, Path: path})
		}
	}
	add(installed, installedHAProxy())
	if cache, err := os.UserCacheDir(); err == nil && want != installed {
		pattern := filepath.Join(cache, "thalassa/haproxy")
		roots, _ := filepath.Glob(filepath.Join(pattern, want))
		if want == "" || len(roots) == 0 { // none has that name
			roots, _ = filepath.Glob(filepath.Join(pattern, "*"))
		}
		for _, root := range roots {
			if path := foreignHAProxy(tb, root); path != "" {
				add(filepath.Base(root), path)
			}
		}
	}
	return found
}

// haproxyVersion asks an executable, e.g. "2.6.12-1+deb12u4".
func haproxyVersion(path string) (string, error) {
	out, err := exec.CommandContext(context.Background(), path, "-v").Output()
	if err != nil {
		return "", fmt.Errorf("asking %s for its version: %w", path, err)
	}
	// "HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/"
	fields := strings.Fields(string(out))
	if len(fields) < 3 || fields[1] != "version" {
		return "", fmt.Errorf("%s -v says %.100q", path, out)
	}
	return fields[2], nil
}

// foreignHAProxy makes the haproxy of another release executable: a script runs it with the loader
// and the libraries of its own root. The loader has the name haproxy, so that /proc shows that
// name, and argv[0] is the script, so that a master that executes itself again runs the script.
func foreignHAProxy(tb testing.TB, root string) string {
	tb.Helper()
	binary := filepath.Join(root, "usr/sbin/haproxy")
	loaders, _ := filepath.Glob(filepath.Join(root, "usr/lib*/ld-linux-*.so.*"))
	libraries, _ := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-gnu"))
	if _, err := os.Stat(binary); err != nil || len(loaders) == 0 || len(libraries) == 0 {
		return ""
	}
	dir := tb.TempDir()
	script, loader := filepath.Join(dir, "haproxy"), filepath.Join(dir, "loader", "haproxy")
	text := fmt.Sprintf("#!/bin/sh\nexec '%s' --argv0 '%s' --library-path '%s' '%s' \"$@\"\n", loader, script, libraries[0], binary)
	err := errors.Join(
		os.Mkdir(filepath.Dir(loader), 0o700), os.Symlink(loaders[0], loader),
		WriteProgram(script, []byte(text)),
	)
	if err != nil {
		tb.Fatal(err)
	}
	return script
}
