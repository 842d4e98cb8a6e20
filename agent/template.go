package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"thalassa/activity"
	"thalassa/template"
)

// templateEvery is how often the template file is looked at.
const templateEvery = time.Second

// templateFile is the template in use and the file it came from.
type templateFile struct {
	path string      // empty: the embedded default, which never changes
	seen os.FileInfo // of the content that was judged last, good or bad; nil: no file, or none that was judged
	// trouble is why the newest content is not in use, to tell a transition from a
	// repetition.
	trouble string

	mu   sync.Mutex
	tmpl *template.Template
}

func openTemplate(path string) (*templateFile, error) {
	f := &templateFile{path: path}
	f.seen, _ = os.Stat(path) // before it is read: a later change is seen then
	var err error
	f.tmpl, err = ReadTemplate(path)
	return f, err
}

// ReadTemplate reads a template file; an empty path is the embedded template.
// The error names file and line.
func ReadTemplate(path string) (*template.Template, error) {
	if path == "" {
		return template.Default(), nil
	}
	source, err := os.ReadFile(path)
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

// changed reports whether the file differs from what was read last, and takes
// note of it as it is now.
func (f *templateFile) changed() bool {
	before := f.seen
	f.seen, _ = os.Stat(f.path) // nil: there is no file to read
	if before == nil || f.seen == nil {
		return before != f.seen
	}
	return !os.SameFile(before, f.seen) || !before.ModTime().Equal(f.seen.ModTime()) || before.Size() != f.seen.Size()
}

// followTemplate takes a changed template over once HAProxy has accepted what
// it renders; a bad one is recorded and the former stays. One that cannot be
// judged just now (a full disk) is tried again.
func (a *Agent) followTemplate(ctx context.Context) error {
	if a.template.path == "" {
		return nil
	}
	tick := time.NewTicker(templateEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if a.template.changed() {
			a.takeTemplate(ctx)
		}
	}
}

func (a *Agent) takeTemplate(ctx context.Context) {
	tmpl, err := ReadTemplate(a.template.path)
	judged := err == nil || !errors.As(err, new(*fs.PathError))
	if err == nil {
		err = a.switchTemplate(ctx, tmpl)
		judged = err == nil || isRefusal(err)
	}
	if ctx.Err() != nil {
		return
	}
	if !judged {
		a.template.seen = nil
	}
	repeated := err != nil && err.Error() == a.template.trouble
	a.template.trouble = ""
	if err != nil {
		a.template.trouble = err.Error()
	}
	if repeated && !judged {
		return
	}
	event := activity.Event{Verb: activity.TemplateChanged, Object: activity.Object{ID: "template", Type: "template", Key: a.template.path}}
	if err != nil {
		event.Verb, event.Error = activity.TemplateRefused, words(err)
		a.cfg.Logger.ErrorContext(ctx, "template refused, the former one stays in use", "file", a.template.path, "error", err)
	} else {
		a.cfg.Logger.InfoContext(ctx, "template changed", "file", a.template.path)
	}
	a.cfg.Journal.Note(event)
	a.wakeScribe()
}

// switchTemplate puts a template to use; when HAProxy refuses what it renders,
// before or at the start, the former one is in use again. A HAProxy that is not
// there has not refused it: the rounds bring it into effect.
func (a *Agent) switchTemplate(ctx context.Context, tmpl *template.Template) error {
	if err := a.lockChanges(ctx); err != nil {
		return err
	}
	defer a.unlockChanges()
	if err := a.proveTemplate(ctx, tmpl); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	former := a.template.current()
	out := a.roundWith(ctx, tmpl)
	if isRefusal(out.err) {
		a.roundWith(ctx, former)
		return out.err
	}
	return nil
}

// roundWith waits for the first round that uses the template.
func (a *Agent) roundWith(ctx context.Context, tmpl *template.Template) outcome {
	p := a.expect(pending{template: tmpl})
	defer a.forget(p)
	a.template.use(tmpl)
	return a.awaitRound(ctx, p)
}

// proveTemplate renders the present configuration with a new template and has
// HAProxy check it.
func (a *Agent) proveTemplate(ctx context.Context, tmpl *template.Template) error {
	in, err := a.Intent(ctx)
	if err != nil {
		return err
	}
	rendered, err := tmpl.Render(a.effective.Load().resolve(in, a.Snapshot(), a.cfg.Process, a.control()))
	if err != nil {
		return err
	}
	return a.cfg.HAProxy.Check(ctx, rendered.Bytes)
}
