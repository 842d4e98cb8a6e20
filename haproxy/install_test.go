package haproxy_test

import (
	"errors"
	"os"
	"testing"

	"thalassa/haproxy"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

// members is the configuration of a word with another member: what Install is
// for.
func (l *lab) members(word, member string) []byte {
	return append(l.config(word), "\nbackend members\n    server s1 "+member+"\n"...)
}

func TestInstallOfWhatRuns(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	l.apply("one")
	config := l.members("one", "127.0.0.1:9")
	if err := l.Install(t.Context(), config); err != nil || l.file(l.cfg.ConfigPath) != string(config) {
		t.Errorf("%v, and the file is\n%s", err, l.file(l.cfg.ConfigPath))
	}
	if err := os.Remove(l.cfg.ConfigPath); err != nil {
		t.Fatal(err)
	}
	if err := l.Install(t.Context(), config); err != nil || l.file(l.cfg.ConfigPath) != string(config) {
		t.Errorf("the file was removed: %v, and it is\n%s", err, l.file(l.cfg.ConfigPath))
	}
}

// TestInstallThatComesTooLate: a change at run time is written down while a
// reload has replaced what it belongs to.
func TestInstallThatComesTooLate(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	l.apply("one")
	l.apply("two")
	if err := l.Install(t.Context(), l.members("one", "127.0.0.1:9")); err != nil {
		t.Error(err)
	}
	l.agree("two")
}

// TestInstallLeavesTheFileForAStart: what Apply could not give to an External
// HAProxy that does not run is there when it starts.
func TestInstallLeavesTheFileForAStart(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	l.apply("one")
	if err := l.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	external := l.another(func(cfg *haproxy.Config) { cfg.Mode = haproxy.External })
	if _, err := external.Apply(t.Context(), l.config("two"), "two"); !errors.As(err, new(*lb.UnavailableError)) {
		t.Fatalf("HAProxy does not run: %v", err)
	}
	if err := external.Install(t.Context(), l.members("one", "127.0.0.1:9")); err != nil {
		t.Error(err)
	}
	if got := l.file(l.cfg.ConfigPath); got != string(l.config("two")) {
		t.Errorf("the file is\n%s", got)
	}
}
