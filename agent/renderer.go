package agent

import (
	"sync/atomic"

	"thalassa/lb"
	"thalassa/plan"
	"thalassa/template"
)

// A renderer renders each configuration once. The check of a change, the round that
// brings it into effect, haproxy.cfg on disk and the archive all need the same text.
// It may be used from several goroutines.
type renderer struct {
	// render is (*template.Template).Render; tests count its calls.
	render func(*template.Template, lb.Config) (template.Rendered, error)

	last atomic.Pointer[rendering] // nil: none is kept
}

// A rendering is a text and what it was made of. It is never changed.
type rendering struct {
	template *template.Template
	config   lb.Config
	text     template.Rendered
}

// isOf reports whether a rendering has the text of a configuration: package plan finds no
// change exactly where both have the same.
func (r *rendering) isOf(tmpl *template.Template, config lb.Config) bool {
	return r != nil && r.template == tmpl && plan.Compute(&r.config, config).Empty()
}

func newRenderer() *renderer { return &renderer{render: (*template.Template).Render} }

// of renders a configuration, unless the last text is the one. The caller must not change
// the text.
func (r *renderer) of(tmpl *template.Template, config lb.Config) (template.Rendered, error) {
	if last := r.last.Load(); last.isOf(tmpl, config) {
		return last.text, nil
	}
	text, err := r.render(tmpl, config)
	if err != nil {
		return template.Rendered{}, err
	}
	r.last.Store(&rendering{template: tmpl, config: config, text: text})
	return text, nil
}

// release gives up the text of a configuration that nobody needs any more: it may be
// large. The text of another one stays.
func (r *renderer) release(tmpl *template.Template, config lb.Config) {
	if last := r.last.Load(); last.isOf(tmpl, config) {
		r.last.CompareAndSwap(last, nil)
	}
}
