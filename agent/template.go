package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"thalassa/internal/safefile"
	"thalassa/template"
)

// templateFile is the template in use and the file it came from.
type templateFile struct {
	path string // empty: the embedded default, which never changes

	mu   sync.Mutex
	tmpl *template.Template
	// problem is a sentence that says why the file is not in use; empty: it is.
	problem string
}

// note keeps why the file is not in use; nil: it is.
func (f *templateFile) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err == nil:
		f.problem = ""
	case errors.Is(err, fs.ErrNotExist):
		f.problem = "the template file is missing, and the former template stays in use"
	default:
		f.problem = "the template file is not in use as it is now, and the former template is; GET /activity says why"
	}
}

func (f *templateFile) currentProblem() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.problem
}

// maxTemplate bounds a template file, in bytes.
const maxTemplate = 16 << 20

// openTemplate reads the file, and returns it as it was before.
func openTemplate(path string) (*templateFile, os.FileInfo, error) {
	seen, _ := os.Stat(path) // before it is read: a later change is seen then
	tmpl, err := ReadTemplate(path)
	return &templateFile{path: path, tmpl: tmpl}, seen, err
}

// ReadTemplate reads a template file; an empty path is the embedded template.
// The error names file and line.
func ReadTemplate(path string) (*template.Template, error) {
	if path == "" {
		return template.Default(), nil
	}
	source, err := safefile.Read(path, maxTemplate)
	if err != nil {
		return nil, fmt.Errorf("reading the template: %w", err)
	}
	return template.Parse(path, string(source))
}

func (f *templateFile) current() *template.Template {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tmpl
}

func (f *templateFile) use(t *template.Template) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tmpl = t
}
