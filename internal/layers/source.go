package layers

import (
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// versionElement is the last element of an import path that does not name the
// package: gopkg.example/lib/v3 is package lib.
var versionElement = regexp.MustCompile(`^v[0-9]+$`)

func importPath(spec *ast.ImportSpec) string {
	p, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return spec.Path.Value
	}
	return p
}

// importNames maps the name by which a file knows a package to its path.
func importNames(f *ast.File) map[string]string {
	names := make(map[string]string, len(f.Imports))
	for _, spec := range f.Imports {
		p := importPath(spec)
		name := path.Base(p)
		if versionElement.MatchString(name) {
			name = path.Base(path.Dir(p))
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = p
	}
	return names
}

// references calls see for every name of another package that a file mentions.
func references(f *ast.File, see func(at token.Pos, pkg, name string)) {
	names := importNames(f)
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && names[x.Name] != "" {
			see(sel.Pos(), names[x.Name], sel.Sel.Name)
		}
		return true
	})
}

// checkUses checks the names of other packages that a file mentions.
func (c *checker) checkUses(pkg string, f *ast.File) {
	rules := c.rules.Uses
	if slices.Contains(c.rules.Pure, pkg) {
		rules = append(slices.Clone(rules), clock())
	}
	for _, spec := range f.Imports {
		if spec.Name != nil && spec.Name.Name == "." {
			c.add(pkg, spec.Pos(), "a dot import hides where names are from")
		}
	}
	references(f, func(at token.Pos, from, name string) {
		if from == "os" && name == "Exit" {
			c.sawExit(pkg, at)
		}
		for _, r := range rules {
			if r.Path == from && slices.Contains(r.Names, name) && !within(pkg, r.Owners) {
				c.add(pkg, at, "%s may not use %s.%s: %s", pkg, from, name, r.Why)
			}
		}
	})
}

func (c *checker) sawExit(pkg string, at token.Pos) {
	if pkg != c.rules.Program {
		c.add(pkg, at, "%s may not use os.Exit: only %s ends the process", pkg, c.rules.Program)
		return
	}
	c.exits = append(c.exits, at)
}

// checkExits wants one os.Exit in the program.
func (c *checker) checkExits() {
	if c.rules.Program == "" {
		return
	}
	if len(c.exits) == 0 {
		c.add(c.rules.Program, token.NoPos, "%s has no os.Exit: its errors would not become an exit code", c.rules.Program)
		return
	}
	for _, at := range c.exits[1:] {
		c.add(c.rules.Program, at, "a second os.Exit: return an error to the first one")
	}
}

// checkInit refuses init functions, in tests too.
func (c *checker) checkInit(pkg string, f *ast.File) {
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			c.add(pkg, fn.Pos(), "init runs before anybody asks: write a constructor")
		}
	}
}

// checkSleep refuses time.Sleep, in tests too, outside synctest's bubbles.
func (c *checker) checkSleep(pkg string, f *ast.File) {
	names := importNames(f)
	if names["synctest"] == "testing/synctest" {
		return
	}
	references(f, func(at token.Pos, from, name string) {
		if from == "time" && name == "Sleep" {
			c.add(pkg, at, "time.Sleep cannot be canceled: wait on a context or a timer")
		}
	})
}

// checkDials refuses calls that dial a unix socket by name.
func (c *checker) checkDials(pkg string, f *ast.File) {
	if slices.Contains(c.rules.Dialers, pkg) {
		return
	}
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if sel, ok := call.Fun.(*ast.SelectorExpr); ok && strings.HasPrefix(sel.Sel.Name, "Dial") && slices.ContainsFunc(call.Args, unixNetwork) {
			c.add(pkg, call.Pos(), "%s may not dial a unix socket: only statsock speaks with HAProxy", pkg)
		}
		return true
	})
}

func unixNetwork(e ast.Expr) bool {
	lit, ok := e.(*ast.BasicLit)
	return ok && lit.Kind == token.STRING && strings.HasPrefix(lit.Value, `"unix`)
}

// checkVars refuses package-level variables, but for those that nobody changes:
// sentinel errors, regular expressions, embedded files, assertions.
func (c *checker) checkVars(pkg string, f *ast.File) {
	names := importNames(f)
	for _, d := range f.Decls {
		gen, ok := d.(*ast.GenDecl)
		if !ok || gen.Tok != token.VAR {
			continue
		}
		for _, s := range gen.Specs {
			spec := s.(*ast.ValueSpec)
			kept := slices.Contains(c.rules.Vars, pkg+"."+spec.Names[0].Name)
			if !kept && !embedded(gen, spec) && !asserts(spec) && !constructed(spec, names) {
				c.add(pkg, spec.Pos(), "package-level variable %s: pass it in, or make it a constant or a function", spec.Names[0].Name)
			}
		}
	}
}

func embedded(gen *ast.GenDecl, spec *ast.ValueSpec) bool {
	isEmbed := func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") }
	return spec.Doc != nil && slices.ContainsFunc(spec.Doc.List, isEmbed) ||
		gen.Doc != nil && len(gen.Specs) == 1 && slices.ContainsFunc(gen.Doc.List, isEmbed)
}

// asserts reports whether the declaration only makes the compiler check a type.
func asserts(spec *ast.ValueSpec) bool {
	return !slices.ContainsFunc(spec.Names, func(n *ast.Ident) bool { return n.Name != "_" })
}

// constructed reports whether every value is a sentinel error or a regular
// expression.
func constructed(spec *ast.ValueSpec, names map[string]string) bool {
	for _, v := range spec.Values {
		call, ok := v.(*ast.CallExpr)
		if !ok {
			return false
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return false
		}
		x, ok := sel.X.(*ast.Ident)
		if !ok || !slices.Contains([]string{"errors.New", "fmt.Errorf", "regexp.MustCompile"}, names[x.Name]+"."+sel.Sel.Name) {
			return false
		}
	}
	return len(spec.Values) > 0
}
