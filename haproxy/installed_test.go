package haproxy_test

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"thalassa/haproxy"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

func TestInstalled(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	if _, err := l.Installed(t.Context()); !errors.As(err, new(*lb.UnavailableError)) {
		t.Errorf("no file: %v", err)
	}
	l.apply("one")
	if got, err := l.Installed(t.Context()); err != nil || string(got) != string(l.config("one")) {
		t.Errorf("%s, %v", got, err)
	}
}

func TestDrops(t *testing.T) {
	for name, test := range map[string]struct {
		there, wanted string
		kept          bool // a file that was proven lies beside
		drops         bool
	}{
		"no file":                    {wanted: "frontend a\n"},
		"somebody else's":            {there: "global\n description web\nfrontend a\n"},
		"an agent's, all there":      {there: "global\n description \"thalassa 1\"\nfrontend a\nbackend a\n", wanted: "backend a\nfrontend a\n"},
		"an agent's frontend lacks":  {there: "global\n description \"thalassa 1\"\nfrontend a\nbackend a\n", wanted: "backend a\n", drops: true},
		"an agent's that is unnamed": {there: "frontend a\n", kept: true, drops: true},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := paths(t.TempDir())
			for suffix, write := range map[string]bool{"": test.there != "", ".last-good": test.kept} {
				if !write {
					continue
				}
				if err := os.WriteFile(cfg.ConfigPath+suffix, []byte(test.there), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := haproxy.New(cfg).Drops([]byte(test.wanted)); got != test.drops || err != nil {
				t.Errorf("got %t, %v", got, err)
			}
		})
	}
}

func TestResume(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	if err := l.Resume(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	l.apply("one")
	before := l.state()
	if err := l.Resume(t.Context()); err != nil || l.state() != before {
		t.Errorf("it runs: %v, %+v", err, l.state())
	}
	for _, content := range [][]byte{l.config("one"), []byte("garbage\n")} {
		if err := l.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(l.cfg.ConfigPath, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := l.Resume(t.Context()); err != nil {
			t.Error(err)
		}
		l.agree("one")
	}
}

// TestApplyOfWhatRuns changes nothing; after an edit by hand it does.
func TestApplyOfWhatRuns(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	first := l.apply("one")
	out := l.apply("one")
	if out.Started || out.Reloaded || out.WorkerPID != first.WorkerPID || l.state().Reloads != 0 {
		t.Errorf("%+v, %+v", out, l.state())
	}
	if err := os.WriteFile(l.cfg.ConfigPath, []byte("edited\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := l.apply("one"); !out.Reloaded {
		t.Errorf("the file was edited: %+v", out)
	}
}

// TestFileOfSomebodyElse is kept, once.
func TestFileOfSomebodyElse(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	theirs := "# written by a person\n"
	if err := os.WriteFile(l.cfg.ConfigPath, []byte(theirs), 0o600); err != nil {
		t.Fatal(err)
	}
	l.apply("one")
	l.apply("two")
	if got := l.file(l.cfg.ConfigPath + ".before-thalassa"); got != theirs {
		t.Errorf("kept: %q", got)
	}
}

// TestNobodyElsesFile: what this package wrote itself, before HAProxy ran with it, is
// nobody else's.
func TestNobodyElsesFile(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	p := l.another(func(c *haproxy.Config) { c.Mode = haproxy.External })
	for _, word := range []string{"one", "two"} {
		if _, err := p.Apply(t.Context(), l.config(word), word); !errors.As(err, new(*lb.UnavailableError)) {
			t.Fatalf("nobody has started HAProxy: %v", err)
		}
	}
	if _, err := os.Stat(l.cfg.ConfigPath + ".before-thalassa"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the package's own file is kept as another's: %v", err)
	}
}
