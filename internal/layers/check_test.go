package layers_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strings"
	"testing"

	"thalassa/internal/layers"
)

// exit is the program that every house needs; the cases leave it out.
const exit = "// Command thalassa runs.\npackage main\nimport \"os\"\nfunc main() { os.Exit(0) }"

// TestCheck gives the checker one violation at a time, and next to it the same
// thing where it is allowed.
func TestCheck(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		file  string // path below the module
		body  string // after the package clause
		wants string // part of the one message; "" for none
	}{
		{"import upward", "lb/x.go", `import _ "thalassa/agent"`, "lb may not import agent"},
		{"import sideways", "haproxy/x.go", `import _ "thalassa/discovery"`, "haproxy may not import discovery"},
		{"import downward", "haproxy/x.go", `import _ "thalassa/statsock"`, ""},
		{"import of everything", "cmd/thalassa/x.go", `import _ "thalassa/agent"`, ""},
		{"api knows no agent", "api/x.go", `import _ "thalassa/agent"`, "api may not import agent"},
		{"api knows no store", "api/x.go", `import _ "thalassa/store"`, "api may not import store"},
		{"import in a test", "lb/x_test.go", `import _ "thalassa/agent"`, ""},
		{"testkit in the product", "agent/x.go", `import _ "thalassa/internal/testkit"`, "imported by tests only"},
		{"testkit in the program", "cmd/thalassa/x.go", `import _ "thalassa/internal/testkit"`, "imported by tests only"},
		{"testkit in a test", "agent/x_test.go", `import _ "thalassa/internal/testkit"`, ""},
		{"e2e without a test", "e2e/x.go", `const x = 1`, "has tests only"},
		{"e2e's comment", "e2e/doc.go", ``, ""},
		{"unknown package", "novelty/x.go", ``, `"novelty" has no place in the house`},
		{"unknown package below a known one", "lb/inner/x.go", ``, `"lb/inner" has no place in the house`},

		{"pure os", "lb/x.go", `import _ "os"`, "lb may not import os"},
		{"pure os in cluster", "cluster/x.go", `import _ "os"`, "cluster may not import os"},
		{"pure os/exec in a package below", "plan/x.go", `import _ "os/user"`, "plan may not import os/user"},
		{"pure net", "plan/x.go", `import _ "net"`, "plan may not import net"},
		{"pure net/http", "template/x.go", `import _ "net/http"`, "template may not import net/http"},
		{"pure netip", "lb/x.go", `import _ "net/netip"`, ""},
		{"pure context", "plan/x.go", `import _ "context"`, "plan may not import context"},
		{"pure slog", "template/x.go", `import _ "log/slog"`, "template may not import log/slog"},
		{"pure randomness", "lb/x.go", `import _ "math/rand/v2"`, "lb may not import math/rand/v2"},
		{"pure clock", "lb/x.go", `import "time"; func f() { _ = time.Now() }`, "lb may not use time.Now"},
		{"pure clock by another name", "plan/x.go", `import c "time"; func f() { g(c.Since) }`, "plan may not use time.Since"},
		{"pure timer", "plan/x.go", `import "time"; func f() { <-time.After(1) }`, "plan may not use time.After"},
		{"pure duration", "lb/x.go", `import "time"; const d = time.Second`, ""},
		{"clock at the edge", "haproxy/x.go", `import "time"; func f() { _ = time.Now() }`, "haproxy/x.go may not use time.Now"},
		{"clock as a value", "agent/x.go", `import "time"; var _ = f(time.Now)`, "agent/x.go may not use time.Now"},
		{"clock of the program", "cmd/thalassa/main.go", `import "time"; func f() { _ = time.Now() }`, ""},
		{"clock that measures", "agent/round.go", `import "time"; func f() { _ = time.Now() }`, ""},
		{"clock of a test", "agent/x_test.go", `import "time"; func f() { _ = time.Now() }`, ""},
		{"os at the edge", "haproxy/x.go", `import _ "os"`, ""},
		{"pure test", "lb/x_test.go", `import ("os"; "time"); func f() { os.Remove(time.Now().String()) }`, ""},

		{"consul's client elsewhere", "agent/x.go", `import _ "github.com/hashicorp/consul/api"`, "consul owns"},
		{"consul's client in discovery", "discovery/x.go", `import _ "github.com/hashicorp/consul/api"`, "consul owns"},
		{"consul's client", "consul/x.go", `import _ "github.com/hashicorp/consul/api"`, ""},
		{"parser elsewhere", "lb/x.go", `import _ "github.com/haproxytech/config-parser/v5"`, "template owns"},
		{"echo elsewhere", "agent/x.go", `import _ "github.com/labstack/echo/v4"`, "owns echo"},
		{"library without an owner", "agent/x.go", `import _ "example.com/novelty"`, "has no owner"},
		{"library of everybody", "agent/x.go", `import _ "golang.org/x/sync/errgroup"`, ""},
		{"websocket elsewhere", "agent/x.go", `import _ "github.com/coder/websocket"`, "two ends of the websocket"},
		{"websocket in the API", "api/x.go", `import _ "github.com/coder/websocket"`, "two ends of the websocket"},
		{"websocket", "live/x.go", `import _ "github.com/coder/websocket"`, ""},
		{"bbolt elsewhere", "activity/x.go", `import _ "go.etcd.io/bbolt"`, "store owns"},
		{"cobra elsewhere", "dev/x.go", `import _ "github.com/spf13/cobra"`, "cli owns cobra"},
		{"cobra in settings", "settings/x.go", `import _ "github.com/spf13/cobra"`, "cli owns cobra"},
		{"cobra in the program", "cmd/thalassa/x.go", `import _ "github.com/spf13/cobra"`, "cli owns cobra"},
		{"cobra", "cli/x.go", `import _ "github.com/spf13/cobra"`, ""},
		{"pflag elsewhere", "agent/x.go", `import _ "github.com/spf13/pflag"`, "only settings and cli read flags"},
		{"pflag", "settings/x.go", `import _ "github.com/spf13/pflag"`, ""},
		{"cli asks the API through client", "cli/x.go", `import _ "thalassa/api"`, "cli may not import api"},
		{"settings know no command", "settings/x.go", `import _ "thalassa/cli"`, "settings may not import cli"},
		{"yaml elsewhere", "agent/x.go", `import _ "go.yaml.in/yaml/v3"`, "settings owns the settings file"},
		{"go-pacemaker elsewhere", "agent/x.go", `import _ "github.com/ClusterLabs/go-pacemaker"`, "cmd/thalassa-cib owns"},
		{"pam elsewhere", "api/x.go", `import _ "github.com/msteinert/pam/v2"`, "cmd/thalassa-pam owns"},
		{"metrics elsewhere", "agent/x.go", `import _ "github.com/prometheus/client_golang/prometheus"`, "api owns"},
		{"library in a test", "agent/x_test.go", `import _ "github.com/hashicorp/consul/api"`, ""},
		{"library in the testkit", "internal/testkit/x.go", `import _ "github.com/hashicorp/consul/api"`, ""},

		{"process elsewhere", "agent/x.go", `import _ "os/exec"`, "few packages start processes"},
		{"process", "haproxy/x.go", `import _ "os/exec"`, ""},
		{"process of the demo", "dev/x.go", `import _ "os/exec"`, ""},
		{"process in a test", "agent/x_test.go", `import _ "os/exec"`, ""},
		{"fork", "store/x.go", `import "syscall"; func f() { syscall.ForkExec("", nil, nil) }`, "store may not use syscall.ForkExec"},
		{"unix socket", "agent/x.go", `import "net"; func f() { net.Dial("unix", "x") }`, "may not dial a unix socket"},
		{"unix socket with a context", "haproxy/x.go", `func f(d D) { d.DialContext(nil, "unixpacket", "x") }`, "may not dial a unix socket"},
		{"unix socket of Consul", "consul/x.go", `func f(d D) { d.DialContext(nil, "unix", "x") }`, ""},
		{"unix socket of statsock", "statsock/x.go", `import "net"; func f() { net.Dial("unix", "x") }`, ""},
		{"tcp", "haproxy/x.go", `import "net"; func f() { net.Dial("tcp", "x") }`, ""},
		{"standard logger", "agent/x.go", `import _ "log"`, "the logger is injected"},
		{"injected logger", "agent/x.go", `import "log/slog"; func f(l *slog.Logger) { l.Info("") }`, ""},
		{"global logger", "agent/x.go", `import "log/slog"; func f() { slog.Info("") }`, "agent may not use log/slog.Info"},
		{"default mux", "api/x.go", `import "net/http"; func f() { http.HandleFunc("", nil) }`, "no default registries"},
		{"profiling in the default mux", "api/x.go", `import _ "net/http/pprof"`, "default mux"},

		{"flags elsewhere", "agent/x.go", `import _ "flag"`, "only cmd and settings read flags"},
		{"signals elsewhere", "dev/x.go", `import _ "os/signal"`, "only cmd catches signals"},
		{"signals in a command", "cli/x.go", `import _ "os/signal"`, "only cmd catches signals"},
		{"signals", "cmd/thalassa/x.go", `import _ "os/signal"`, ""},
		{"environment elsewhere", "discovery/x.go", `import "os"; var _ = os.Getenv("X")`, "only cmd and settings read the environment"},
		{"environment in a command", "cli/x.go", `import "os"; var _ = os.Getenv("X")`, "only cmd and settings read the environment"},
		{"arguments elsewhere", "agent/x.go", `import "os"; func f() { _ = os.Args }`, "only cmd and settings read the environment and the arguments"},
		{"environment", "cmd/thalassa/x.go", `import "os"; func f() { _ = os.Getenv("X") }`, ""},
		{"exit elsewhere", "agent/x.go", `import "os"; func f() { os.Exit(1) }`, "only cmd/thalassa ends the process"},
		{"second exit", "cmd/thalassa/x.go", `import "os"; func f() { os.Exit(1) }`, "a second os.Exit"},

		{"init", "agent/x.go", `func init() {}`, "init runs before anybody asks"},
		{"init in a test", "agent/x_test.go", `func init() {}`, "init runs before anybody asks"},
		{"method named init", "agent/x.go", `type t int; func (t) init() {}`, ""},
		{"variable", "agent/x.go", `var count int`, "package-level variable count"},
		{"variable with a value", "agent/x.go", `var table = map[string]int{}`, "package-level variable table"},
		{"variable in a group", "agent/x.go", "import \"errors\"\nvar (\n\tErrX = errors.New(\"\")\n\tbad = f()\n)", "package-level variable bad"},
		{"variable from another New", "agent/x.go", `import "thalassa/plan"; var x = plan.New()`, "package-level variable x"},
		{"variable that has to be", "template/x.go", `import "sync"; var libraryLock sync.Mutex`, ""},
		{"its name elsewhere", "agent/x.go", `import "sync"; var libraryLock sync.Mutex`, "package-level variable libraryLock"},
		{"variable in a test", "agent/x_test.go", `var count int`, ""},
		{"sentinel", "agent/x.go", `import "errors"; var ErrX = errors.New("x")`, ""},
		{"sentinel that wraps", "agent/x.go", `import ("fmt"; "os"); var errX = fmt.Errorf("x: %w", os.ErrClosed)`, ""},
		{"regexp", "agent/x.go", `import "regexp"; var x = regexp.MustCompile("x")`, ""},
		{"assertion", "agent/x.go", `var _ I = (*t)(nil)`, ""},
		{"embed", "api/x.go", "import _ \"embed\"\n//go:embed x\nvar x string", ""},
		{"embed in a group", "api/x.go", "import _ \"embed\"\nvar (\n//go:embed x\nx string\n)", ""},
		{"variable beside an embed", "api/x.go", "import _ \"embed\"\n//go:embed x\nvar (\ny string\n)\nvar z int", "package-level variable z"},
		{"local variable", "agent/x.go", `func f() { var x int; _ = x }`, ""},

		{"sleep", "agent/x.go", `import "time"; func f() { time.Sleep(1) }`, "cannot be canceled"},
		{"sleep in a test", "agent/x_test.go", `import "time"; func f() { time.Sleep(1) }`, "cannot be canceled"},
		{"sleep in the testkit", "internal/testkit/x.go", `import "time"; func f() { time.Sleep(1) }`, "cannot be canceled"},
		{"sleep in a bubble", "agent/x_test.go", `import ("testing/synctest"; "time"); func f() { synctest.Test(nil, nil); time.Sleep(1) }`, ""},
		{"dot import", "agent/x.go", `import . "strings"`, "dot import"},
		{"testing in the product", "agent/x.go", `import _ "testing"`, "the product does not test"},
		{"file named by habit", "agent/helpers.go", ``, `"helpers.go" says nothing`},
		{"test file named by habit", "agent/util_test.go", ``, `"util_test.go" says nothing`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := tt.file[:strings.LastIndexByte(tt.file, '/')]
			pkg := dir[strings.LastIndexByte(dir, '/')+1:]
			source := map[string]string{
				tt.file:             "// Package " + pkg + " is described.\npackage " + pkg + "\n" + tt.body,
				"cmd/thalassa/m.go": exit,
			}
			one(t, check(t, layers.House(), source), tt.wants)
		})
	}
}

// TestPackages has the violations that need more than a file.
func TestPackages(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		source map[string]string
		wants  string
	}{
		{"no comment", map[string]string{"lb/a.go": "package lb", "lb/b.go": "package lb"}, "no package comment"},
		{"a license is no comment", map[string]string{"lb/a.go": "// License text.\n\npackage lb"}, "no package comment"},
		{"comment of something else", map[string]string{"lb/a.go": "// Load is.\npackage lb"}, "no package comment"},
		{"comment in one of two files", map[string]string{"lb/a.go": "package lb", "lb/b.go": "// Package lb is.\npackage lb"}, ""},
		{"comment in a test", map[string]string{"e2e/a_test.go": "// Package e2e_test is.\npackage e2e_test"}, ""},
		{"no exit", map[string]string{"cmd/thalassa/m.go": "// Command thalassa is.\npackage main"}, "has no os.Exit"},
		{"two exits", map[string]string{"cmd/thalassa/n.go": "package main\nimport \"os\"\nfunc f() { os.Exit(1) }"}, "a second os.Exit"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			source := map[string]string{"cmd/thalassa/m.go": exit}
			maps.Copy(source, tt.source)
			one(t, check(t, layers.House(), source), tt.wants)
		})
	}
}

// TestWords has names that say nothing, in a house that would take them in.
func TestWords(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"util", "common", "helpers", "types", "manager"} {
		rules := layers.House()
		rules.Packages["internal/"+word] = nil
		found := check(t, rules, map[string]string{
			"internal/" + word + "/a.go": "// Package " + word + " is.\npackage " + word,
			"cmd/thalassa/m.go":          exit,
		})
		one(t, found, "says nothing about what the package does")
	}
}

// one wants one violation with the text, or none where the text is empty.
func one(t *testing.T, found []layers.Violation, wants string) {
	t.Helper()
	switch {
	case wants == "" && len(found) == 0:
	case wants == "":
		t.Errorf("allowed, but refused: %v", found)
	case len(found) != 1:
		t.Errorf("got %d violations, want one with %q: %v", len(found), wants, found)
	case !strings.Contains(found[0].String(), wants):
		t.Errorf("got %q, want %q in it", found[0], wants)
	}
}

// check runs the checker over files given as text, by their paths.
func check(t *testing.T, rules layers.Rules, source map[string]string) []layers.Violation {
	t.Helper()
	fset := token.NewFileSet()
	files := map[string][]*ast.File{}
	for _, name := range slices.Sorted(maps.Keys(source)) {
		f, err := parser.ParseFile(fset, name, source[name], parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		dir := name[:strings.LastIndexByte(name, '/')]
		files[dir] = append(files[dir], f)
	}
	pkgs := make([]layers.Package, 0, len(files))
	for _, dir := range slices.Sorted(maps.Keys(files)) {
		pkgs = append(pkgs, layers.Package{Path: dir, Files: files[dir]})
	}
	return layers.Check(rules, fset, pkgs)
}
