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
	fx := newFixture(t, testkit.HAProxy(t))
	if _, err := fx.Installed(t.Context()); !errors.As(err, new(*lb.UnavailableError)) {
		t.Errorf("no file: %v", err)
	}
	fx.apply("one")
	if got, err := fx.Installed(t.Context()); err != nil || string(got) != string(fx.config("one")) {
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
	fx := newFixture(t, testkit.HAProxy(t))
	if err := fx.Resume(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	fx.apply("one")
	before := fx.state()
	if err := fx.Resume(t.Context()); err != nil || fx.state() != before {
		t.Errorf("it runs: %v, %+v", err, fx.state())
	}
	for _, content := range [][]byte{fx.config("one"), []byte("garbage\n")} {
		if err := fx.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(fx.cfg.ConfigPath, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := fx.Resume(t.Context()); err != nil {
			t.Error(err)
		}
		fx.agree("one")
	}
}

// TestApplyOfWhatRuns changes nothing; after an edit by hand it does.
func TestApplyOfWhatRuns(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	first := fx.apply("one")
	out := fx.apply("one")
	if out.Started || out.Reloaded || out.WorkerPID != first.WorkerPID || fx.state().Reloads != 0 {
		t.Errorf("%+v, %+v", out, fx.state())
	}
	if err := os.WriteFile(fx.cfg.ConfigPath, []byte("edited\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := fx.apply("one"); !out.Reloaded {
		t.Errorf("the file was edited: %+v", out)
	}
}

// TestFileOfSomebodyElse is kept, once.
func TestFileOfSomebodyElse(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	theirs := "# written by a person\n"
	if err := os.WriteFile(fx.cfg.ConfigPath, []byte(theirs), 0o600); err != nil {
		t.Fatal(err)
	}
	fx.apply("one")
	fx.apply("two")
	if got := fx.file(fx.cfg.ConfigPath + ".before-thalassa"); got != theirs {
		t.Errorf("kept: %q", got)
	}
}

// TestNobodyElsesFile: what this package wrote itself, before HAProxy ran with it, is
// nobody else's.
func TestNobodyElsesFile(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	p := fx.another(func(c *haproxy.Config) { c.Mode = haproxy.External })
	for _, word := range []string{"one", "two"} {
		if _, err := p.Apply(t.Context(), fx.config(word), word); !errors.As(err, new(*lb.UnavailableError)) {
			t.Fatalf("nobody has started HAProxy: %v", err)
		}
	}
	if _, err := os.Stat(fx.cfg.ConfigPath + ".before-thalassa"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the package's own file is kept as another's: %v", err)
	}
}
