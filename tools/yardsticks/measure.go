package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// A named is a figure of one thing, such as the length of a function.
type named struct {
	Name  string
	Value int
}

// measures are what is known of a module's code.
type measures struct {
	Files      []named // lines
	Functions  []named // lines, from func to the closing brace
	Parameters []named
	Branching  []named // cyclomatic complexity
	Methods    map[string]int

	Exported, Documented int // top-level names, and methods of exported types
	Errors, Wrapped      int // fmt.Errorf about an error, and those with %w
	Goroutines           int // go statements
	Code, Tests          int // lines
	Dependencies         int // direct requirements of go.mod
}

// measure reads every file of the module in root.
func measure(root string) (*measures, error) {
	m := &measures{Methods: map[string]int{}}
	forTests := map[string]bool{} // by directory
	var files []source
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && skipped(path):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go":
			return nil
		}
		f, err := read(root, path)
		if err != nil {
			return err
		}
		if !f.test && f.imports("testing") {
			forTests[filepath.Dir(path)] = true
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		switch {
		case ast.IsGenerated(f.file):
		case f.test || forTests[filepath.Join(root, filepath.Dir(f.path))]:
			m.Tests += f.lines
		default:
			m.addFile(f)
		}
	}
	m.Dependencies, err = dependencies(filepath.Join(root, "go.mod"))
	return m, err
}

// skipped reports whether a directory holds none of the module's code.
func skipped(dir string) bool {
	name := filepath.Base(dir)
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "node_modules" {
		return true
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

// A source is a file that was read.
type source struct {
	path  string // below the root
	fset  *token.FileSet
	file  *ast.File
	lines int
	test  bool // its name says so
}

func read(root, path string) (source, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return source{}, err
	}
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, path, data, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return source{}, err
	}
	below, err := filepath.Rel(root, path)
	if err != nil {
		return source{}, err
	}
	return source{below, fset, f, strings.Count(string(data), "\n"), strings.HasSuffix(path, "_test.go")}, nil
}

func (s source) imports(path string) bool {
	for _, spec := range s.file.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil && p == path {
			return true
		}
	}
	return false
}

func (m *measures) addFile(f source) {
	m.Code += f.lines
	m.Files = append(m.Files, named{f.path, f.lines})
	pkg := filepath.Dir(f.path)
	for _, d := range f.file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			m.addFunction(f.fset, pkg, d)
		case *ast.GenDecl:
			m.addNames(d)
		}
	}
	ast.Inspect(f.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			m.Goroutines++
		case *ast.CallExpr:
			m.addError(n)
		}
		return true
	})
}

func (m *measures) addFunction(fset *token.FileSet, pkg string, d *ast.FuncDecl) {
	name, receiver := pkg+"."+d.Name.Name, ""
	if d.Recv != nil && len(d.Recv.List) > 0 {
		receiver = typeName(d.Recv.List[0].Type)
		name = pkg + "." + receiver + "." + d.Name.Name
		m.Methods[pkg+"."+receiver]++
	}
	m.Functions = append(m.Functions, named{name, fset.Position(d.End()).Line - fset.Position(d.Pos()).Line + 1})
	m.Parameters = append(m.Parameters, named{name, d.Type.Params.NumFields()})
	m.Branching = append(m.Branching, named{name, branching(d)})
	if d.Name.IsExported() && (receiver == "" || ast.IsExported(receiver)) {
		m.addName(d.Doc)
	}
}

// typeName is the name of a receiver's type, without pointer and type parameters.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.IndexExpr:
		return typeName(e.X)
	case *ast.IndexListExpr:
		return typeName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return fmt.Sprintf("%T", e)
}

// branching is the cyclomatic complexity of a function with the literals inside: 1,
// and 1 for each if, loop, case, communication and logical operator.
func branching(d *ast.FuncDecl) int {
	n := 1
	ast.Inspect(d, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
			n++
		case *ast.CaseClause:
			if node.List != nil {
				n++
			}
		case *ast.CommClause:
			if node.Comm != nil {
				n++
			}
		case *ast.BinaryExpr:
			if node.Op == token.LAND || node.Op == token.LOR {
				n++
			}
		}
		return true
	})
	return n
}

// addNames counts the exported types, constants and variables of a declaration. A
// comment on the group, before the name or behind it documents it.
func (m *measures) addNames(d *ast.GenDecl) {
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Name.IsExported() {
				m.addName(d.Doc, spec.Doc, spec.Comment)
			}
		case *ast.ValueSpec:
			for _, name := range spec.Names {
				if name.IsExported() {
					m.addName(d.Doc, spec.Doc, spec.Comment)
				}
			}
		}
	}
}

func (m *measures) addName(comments ...*ast.CommentGroup) {
	m.Exported++
	for _, c := range comments {
		if c.Text() != "" {
			m.Documented++
			return
		}
	}
}

// addError counts a call of fmt.Errorf that is about another error. Without types an
// error is known by its name: err, or one that ends with Err or Error.
func (m *measures) addError(call *ast.CallExpr) {
	fun, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || fun.Sel.Name != "Errorf" || len(call.Args) < 2 {
		return
	}
	if pkg, ok := fun.X.(*ast.Ident); !ok || pkg.Name != "fmt" {
		return
	}
	about := false
	for _, a := range call.Args[1:] {
		ast.Inspect(a, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && (id.Name == "err" || strings.HasSuffix(id.Name, "Err") || strings.HasSuffix(id.Name, "Error")) {
				about = true
			}
			return true
		})
	}
	format, _ := call.Args[0].(*ast.BasicLit)
	wraps := format != nil && strings.Contains(format.Value, "%w")
	if about || wraps {
		m.Errors++
	}
	if wraps {
		m.Wrapped++
	}
}

// required is a direct requirement in go.mod: in a block, or on a line of its own.
var required = regexp.MustCompile(`^(?:require\s+|\t)\S+ v\S+$`)

func dependencies(path string) (int, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	n := 0
	for line := range strings.Lines(string(data)) {
		if required.MatchString(strings.TrimRight(line, " \n")) {
			n++
		}
	}
	return n, nil
}
