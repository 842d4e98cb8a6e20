package layers

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
)

// A Package is the source of one package, with its tests.
type Package struct {
	Path  string // below the module, "" for the module's root
	Files []*ast.File
}

// A Violation is one place that breaks a rule.
type Violation struct {
	Package string
	Pos     token.Position // the zero value where the package as a whole is meant
	What    string
}

// String is the violation in the form of a compiler's message.
func (v Violation) String() string {
	where := v.Package
	if v.Pos.IsValid() {
		where = v.Pos.String()
	}
	return where + ": " + v.What
}

// Check returns what breaks the rules, sorted by place. The files' positions
// are from fset; comments must have been parsed.
func Check(rules Rules, fset *token.FileSet, pkgs []Package) []Violation {
	c := checker{rules: rules, fset: fset}
	for _, p := range pkgs {
		c.checkPackage(p)
	}
	c.checkExits()
	slices.SortStableFunc(c.found, func(a, b Violation) int {
		return cmp.Or(
			cmp.Compare(a.Package, b.Package),
			cmp.Compare(a.Pos.Filename, b.Pos.Filename),
			cmp.Compare(a.Pos.Offset, b.Pos.Offset),
		)
	})
	return c.found
}

type checker struct {
	rules Rules
	fset  *token.FileSet
	exits []token.Pos // of os.Exit in the program's package
	found []Violation
}

func (c *checker) add(pkg string, at token.Pos, format string, args ...any) {
	v := Violation{Package: pkg, What: fmt.Sprintf(format, args...)}
	if at.IsValid() {
		v.Pos = c.fset.Position(at)
	}
	c.found = append(c.found, v)
}

func (c *checker) checkPackage(p Package) {
	if _, known := c.rules.Packages[p.Path]; !known {
		c.add(p.Path, token.NoPos, "package %q has no place in the house: add it to House in internal/layers", p.Path)
	}
	if word := path.Base(p.Path); slices.Contains(c.rules.Words, word) {
		c.add(p.Path, token.NoPos, "%q says nothing about what the package does", word)
	}
	if !documented(p.Files) {
		c.add(p.Path, token.NoPos, "package %q has no package comment", p.Path)
	}
	for _, f := range p.Files {
		c.checkFile(p.Path, f)
	}
}

// documented reports whether one of the files has the package comment.
func documented(files []*ast.File) bool {
	return slices.ContainsFunc(files, func(f *ast.File) bool {
		text := f.Doc.Text()
		return strings.HasPrefix(text, "Package "+f.Name.Name+" ") || f.Name.Name == "main" && text != "" ||
			strings.HasSuffix(f.Name.Name, "_test") && strings.HasPrefix(text, "Package ")
	})
}

func (c *checker) checkFile(pkg string, f *ast.File) {
	name := path.Base(c.fset.Position(f.Package).Filename)
	stem := strings.TrimSuffix(strings.TrimSuffix(name, ".go"), "_test")
	if slices.Contains(c.rules.Stems, stem) {
		c.add(pkg, f.Package, "%q says nothing about what is in the file", name)
	}
	c.checkInit(pkg, f)
	c.checkSleep(pkg, f)
	if strings.HasSuffix(name, "_test.go") {
		return
	}
	if pkg == "e2e" && len(f.Decls) > 0 {
		c.add(pkg, f.Package, "package e2e has tests only")
	}
	c.checkInside(pkg, f)
	if slices.Contains(c.rules.Tests, pkg) {
		return
	}
	c.checkOutside(pkg, f)
	c.checkUses(pkg, f)
	c.checkDials(pkg, f)
	c.checkClock(pkg, f)
	c.checkVars(pkg, f)
}

// checkInside checks the imports from the module itself.
func (c *checker) checkInside(pkg string, f *ast.File) {
	allowed := c.rules.Packages[pkg]
	forTests := slices.Contains(c.rules.Tests, pkg)
	for _, spec := range f.Imports {
		target, ours := strings.CutPrefix(importPath(spec), c.rules.Module+"/")
		switch {
		case !ours:
		case slices.Contains(c.rules.Tests, target) && !forTests:
			c.add(pkg, spec.Pos(), "%s is imported by tests only", target)
		case !slices.Contains(allowed, target) && !slices.Contains(allowed, Anything):
			c.add(pkg, spec.Pos(), "%s may not import %s", pkg, target)
		}
	}
}

// checkOutside checks the imports from the standard library and from others.
func (c *checker) checkOutside(pkg string, f *ast.File) {
	rules := c.rules.Imports
	if slices.Contains(c.rules.Pure, pkg) {
		rules = slices.Concat(rules, impure())
	}
	for _, spec := range f.Imports {
		p := importPath(spec)
		owned := within(p, c.rules.Free)
		for _, r := range rules {
			if !r.covers(p) {
				continue
			}
			owned = true
			if !within(pkg, r.Owners) {
				c.add(pkg, spec.Pos(), "%s may not import %s: %s", pkg, p, r.Why)
			}
		}
		if !owned && library(p) {
			c.add(pkg, spec.Pos(), "library %s has no owner: give it one in internal/layers", p)
		}
	}
}

// library reports whether an import path is from outside the standard library.
func library(p string) bool {
	host, _, _ := strings.Cut(p, "/")
	return strings.Contains(host, ".")
}

func (r Import) covers(p string) bool {
	return within(p, []string{r.Path}) && !within(p, r.Except)
}

// within reports whether p is one of the paths or below one of them.
func within(p string, paths []string) bool {
	return slices.ContainsFunc(paths, func(of string) bool {
		return p == of || strings.HasPrefix(p, of+"/")
	})
}
