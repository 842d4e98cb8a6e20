package layers_test

import (
	"encoding/json"
	"errors"
	"go/token"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"thalassa/internal/layers"
)

// source is the module that this package stands in.
type source struct {
	fset *token.FileSet
	pkgs []layers.Package
}

// parse reads all of it once.
var parse = sync.OnceValues(func() (source, error) {
	fset := token.NewFileSet()
	pkgs, err := layers.Load(fset, "../..")
	return source{fset, pkgs}, err
})

// TestHouse checks the module that this package stands in.
func TestHouse(t *testing.T) {
	t.Parallel()
	module, err := parse()
	if err != nil {
		t.Fatal(err)
	}
	house, pkgs := layers.House(), module.pkgs
	for _, v := range layers.Check(house, module.fset, pkgs) {
		t.Error(v)
	}
	for _, file := range layers.UnusedClocks(house, module.fset, pkgs) {
		t.Errorf("%s may use time.Now and does not", file)
	}
	for _, p := range pkgs {
		delete(house.Packages, p.Path)
	}
	for left := range house.Packages {
		t.Errorf("package %q has a place in the house and does not exist", left)
	}
}

// TestLoad holds what was loaded against what the go command sees, so that
// TestHouse cannot pass because it looked at nothing.
func TestLoad(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the go command reads every package again")
	}
	module, err := parse()
	if err != nil {
		t.Fatal(err)
	}
	loaded := map[string]int{}
	for _, p := range module.pkgs {
		loaded[p.Path] = len(p.Files)
	}
	listed := goList(t)
	if len(listed) < 10 {
		t.Fatalf("go list found %d packages, fewer than the house has", len(listed))
	}
	for _, p := range listed {
		path := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, layers.House().Module), "/")
		files := slices.Concat(p.GoFiles, p.CgoFiles, p.IgnoredGoFiles, p.TestGoFiles, p.XTestGoFiles)
		if got := loaded[path]; got != len(files) {
			t.Errorf("loaded %d files of package %q, want %d: %v", got, path, len(files), files)
		}
	}
}

type listedPackage struct {
	ImportPath                                                   string
	GoFiles, CgoFiles, IgnoredGoFiles, TestGoFiles, XTestGoFiles []string
}

func goList(t *testing.T) []listedPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,GoFiles,CgoFiles,IgnoredGoFiles,TestGoFiles,XTestGoFiles", "./...")
	cmd.Dir = "../.."
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("listing packages: %v\n%s", err, stderr.String())
	}
	var pkgs []listedPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listedPackage
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return pkgs
		}
		if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

// TestArrows wants every arrow of the house to end at a package of the house,
// and no way along them to lead back.
func TestArrows(t *testing.T) {
	t.Parallel()
	house := layers.House()
	var walk func(pkg string, way []string)
	walk = func(pkg string, way []string) {
		if slices.Contains(way, pkg) {
			t.Fatalf("the arrows lead back: %v", append(way, pkg))
		}
		below, ok := house.Packages[pkg]
		if !ok {
			t.Fatalf("%s points at %s, which has no place", way[len(way)-1], pkg)
		}
		for _, next := range below {
			if next != layers.Anything {
				walk(next, append(slices.Clone(way), pkg))
			}
		}
	}
	for pkg := range house.Packages {
		walk(pkg, nil)
	}
	for _, pure := range house.Pure {
		for _, below := range house.Packages[pure] {
			if !slices.Contains(house.Pure, below) {
				t.Errorf("pure package %s may import %s, which is not pure", pure, below)
			}
		}
	}
}
