package agent

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	"thalassa/activity"
	"thalassa/internal/wake"
	"thalassa/template"
)

// templateEvery is how often the template file is looked at.
const templateEvery = time.Second

// A templateWatcher takes changes of the template file over. Its methods belong to the
// goroutine of run.
type templateWatcher struct {
	cfg       *Config
	file      *templateFile
	inputs    *inputs
	renderer  *renderer
	current   *atomic.Pointer[effective] // what HAProxy runs
	outcomes  *outcomes
	lock      *changeLock
	persister *persister
	renewals  *renewals
	reread    wake.Poke // read it now, and then have HAProxy read its files

	// seen is the file whose content was tried last, good or bad; nil: no file, or none
	// that was tried.
	seen os.FileInfo
	// problem is why the newest content is not in use, to tell a transition from a
	// repetition.
	problem string
}

// run takes a changed template over once HAProxy has accepted what it renders. A bad one
// is recorded and the former stays. One that cannot be tried now (a full disk) is tried
// again.
func (w *templateWatcher) run(ctx context.Context) error {
	tick := time.NewTicker(templateEvery)
	defer tick.Stop()
	if w.file.path == "" {
		tick.Stop()
	}
	for {
		renew := false
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-w.reread:
			renew = true
		}
		if w.file.path != "" && w.changed() {
			w.read(ctx)
		}
		if renew {
			w.renewals.request()
		}
	}
}

// changed reports whether the file differs from what was read last, and takes
// note of it as it is now.
func (w *templateWatcher) changed() bool {
	before := w.seen
	w.seen, _ = os.Stat(w.file.path) // nil: there is no file to read
	if before == nil || w.seen == nil {
		return before != w.seen
	}
	return !os.SameFile(before, w.seen) || !before.ModTime().Equal(w.seen.ModTime()) || before.Size() != w.seen.Size()
}

func (w *templateWatcher) read(ctx context.Context) {
	tmpl, err := ReadTemplate(w.file.path)
	tried := err == nil || !errors.As(err, new(*fs.PathError))
	if err == nil {
		err = w.replace(ctx, tmpl)
		tried = err == nil || isRefusal(err)
	}
	if ctx.Err() != nil {
		return
	}
	w.file.note(err)
	if !tried {
		w.seen = nil
	}
	repeated := err != nil && err.Error() == w.problem
	w.problem = ""
	if err != nil {
		w.problem = err.Error()
	}
	if repeated && !tried {
		return
	}
	event := activity.Event{Verb: activity.TemplateChanged, Object: activity.Object{ID: "template", Type: "template", Key: w.file.path}}
	if err != nil {
		event.Verb, event.Error = activity.TemplateRefused, outputOf(err)
		w.cfg.Logger.ErrorContext(ctx, "template refused, the former one stays in use", "file", w.file.path, "error", err)
	} else {
		w.cfg.Logger.InfoContext(ctx, "template changed", "file", w.file.path)
	}
	w.cfg.Journal.Note(event)
	w.persister.wake()
}

// replace puts a template to use; when HAProxy refuses what it renders,
// before or at the start, the former one is in use again. A HAProxy that is not
// there has not refused it: the rounds bring it into effect.
func (w *templateWatcher) replace(ctx context.Context, tmpl *template.Template) error {
	if err := w.lock.lock(ctx); err != nil {
		return err
	}
	defer w.lock.unlock()
	if err := w.check(ctx, tmpl); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	former := w.file.current()
	out := w.roundWith(ctx, tmpl)
	if isRefusal(out.err) {
		w.roundWith(ctx, former)
		return out.err
	}
	return nil
}

// roundWith waits for the first round that uses the template.
func (w *templateWatcher) roundWith(ctx context.Context, tmpl *template.Template) outcome {
	p := w.outcomes.expect(expectation{template: tmpl})
	defer w.outcomes.forget(p)
	w.file.use(tmpl)
	return w.outcomes.await(ctx, p)
}

// check renders the present configuration with a new template and has
// HAProxy check it.
func (w *templateWatcher) check(ctx context.Context, tmpl *template.Template) error {
	in, err := w.inputs.intent(ctx)
	if err != nil {
		return err
	}
	config := w.current.Load().resolve(w.inputs.files.available(in), w.inputs.snapshot(), w.cfg.tuned().processWith(w.cfg, tmpl), w.inputs.control())
	rendered, err := w.renderer.of(tmpl, config)
	if err == nil {
		err = w.inputs.files.put(ctx, config)
	}
	if err != nil {
		return err
	}
	return w.cfg.HAProxy.Check(ctx, rendered.Bytes)
}
