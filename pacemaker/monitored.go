package pacemaker

import (
	"context"
	"fmt"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/lb"
)

// Monitor is what crm_mon says about the CIB of the view, as XML, without secrets. It asks
// once for each version of the CIB. The element must not be changed.
func (w *Watcher) Monitor(ctx context.Context) (*cibxml.Element, error) {
	cib, err := w.CIB()
	if err != nil {
		return nil, err
	}
	if cib == nil {
		return nil, &lb.UnavailableError{What: "the status of the cluster is not known yet"}
	}
	return w.monitored.of(ctx, cib, w.cluster.monitorXML)
}

// Configuration is the configuration in the view, with its secrets, and the version of its
// CIB. It must not be changed. If Pacemaker does not answer, the error is a *cluster.Error
// or another one.
func (w *Watcher) Configuration() (*cibxml.Element, cluster.Epoch, error) {
	cib, err := w.CIB()
	if err != nil {
		return nil, cluster.Epoch{}, err
	}
	if cib == nil {
		return nil, cluster.Epoch{}, &lb.UnavailableError{What: "the configuration of the cluster is not known yet"}
	}
	return cib.Configuration(), cib.Epoch, nil
}

// monitored is what crm_mon has said about the last CIB that somebody has asked for.
type monitored struct {
	asking chan struct{} // one at a time; the fields are of the one who asks
	cib    *CIB
	said   *cibxml.Element
}

func newMonitored() monitored { return monitored{asking: make(chan struct{}, 1)} }

func (m *monitored) of(ctx context.Context, cib *CIB, ask func(context.Context, *CIB) (*cibxml.Element, error)) (*cibxml.Element, error) {
	select {
	case m.asking <- struct{}{}:
		defer func() { <-m.asking }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if m.cib != cib {
		said, err := ask(ctx, cib)
		if err != nil {
			return nil, err
		}
		m.cib, m.said = cib, said
	}
	return m.said, nil
}

func (t *tools) monitorXML(ctx context.Context, cib *CIB) (*cibxml.Element, error) {
	var said *cibxml.Element
	err := withFile(cib.data, func(path string) error {
		out, err := t.run(ctx, call{tool: "crm_mon", args: []string{"-1"}, file: path})
		if err != nil {
			return err
		}
		said, err = cibxml.Parse(out)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the state of the cluster: %w", err)
	}
	for _, f := range said.Descendants("failure") {
		f.Set("exitreason", cib.Hide(cibxml.Unescape(f.Attr("exitreason"))))
	}
	for _, name := range []string{"node_attributes", "node_history", "fence_history", "bans", "tickets"} { // not used, and may have secrets
		said.Remove(func(e *cibxml.Element) bool { return e.Name == name })
	}
	return said, nil
}
