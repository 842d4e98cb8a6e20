package layers

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Load parses every package below a module's root, whatever its build
// constraints. As the go command does, it leaves out testdata, names that start
// with a dot or an underscore, and modules inside the module.
func Load(fset *token.FileSet, root string) ([]Package, error) {
	files := map[string][]*ast.File{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && p != root && foreign(p):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(p) != ".go" || hidden(d.Name()):
			return nil
		}
		f, err := parser.ParseFile(fset, p, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return fmt.Errorf("parsing: %w", err)
		}
		dir, err := filepath.Rel(root, filepath.Dir(p))
		if err != nil {
			return err
		}
		pkg := strings.TrimPrefix(filepath.ToSlash(dir), ".")
		files[pkg] = append(files[pkg], f)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("loading packages of %s: %w", root, err)
	}
	pkgs := make([]Package, 0, len(files))
	for pkg, ff := range files {
		pkgs = append(pkgs, Package{Path: pkg, Files: ff})
	}
	slices.SortFunc(pkgs, func(a, b Package) int { return strings.Compare(a.Path, b.Path) })
	return pkgs, nil
}

func hidden(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")
}

// foreign reports whether a directory does not belong to the module.
func foreign(dir string) bool {
	name := filepath.Base(dir)
	if hidden(name) || name == "testdata" || name == "node_modules" {
		return true
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}
