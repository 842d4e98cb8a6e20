package agent

import (
	"sync"

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

	mu   sync.Mutex
	last rendering
}

// A rendering is a text and what it was made of.
type rendering struct {
	template *template.Template // nil: there is none
	config   lb.Config
	text     template.Rendered
}

func newRenderer() *renderer { return &renderer{render: (*template.Template).Render} }

// of renders a configuration, unless the last one has the same text. The caller must
// not change the text.
func (r *renderer) of(tmpl *template.Template, config lb.Config) (template.Rendered, error) {
	r.mu.Lock()
	last := r.last
	r.mu.Unlock()
	// Package plan finds no change exactly where both have the same text.
	if last.template == tmpl && plan.Compute(&last.config, config).Empty() {
		return last.text, nil
	}
	text, err := r.render(tmpl, config)
	if err != nil {
		return template.Rendered{}, err
	}
	r.mu.Lock()
	r.last = rendering{template: tmpl, config: config, text: text}
	r.mu.Unlock()
	return text, nil
}
