package agent

import (
	"context"

	"thalassa/lb"
)

// warn notes what is in effect with a change that concerns some backends, and probably not
// meant: that they have no member now, that host names do not resolve, or that other load balancers send their keys
// elsewhere.
func (c *changes) warn(ctx context.Context, backends []lb.Name, applied *lb.Applied) {
	if len(backends) == 0 {
		return
	}
	in, err := c.inputs.intent(ctx)
	if err != nil {
		return // the change itself is done
	}
	empty := emptyBackends(in, c.inputs.snapshot(), c.current.Load(), backends)
	if pools := c.current.Load().pools(backends); applied.Applied {
		c.unresolved.await(ctx, pools)
		more, warnings := c.unresolved.tell(in, pools)
		empty, applied.Warnings = append(empty, more...), append(applied.Warnings, warnings...)
	}
	for _, e := range empty {
		applied.Warnings = append(applied.Warnings, e.String())
	}
	process := c.cfg.tuned().processWith(c.cfg, c.templates.current())
	for _, key := range backends {
		b := in.Backends[key]
		for _, text := range []string{process.UnstableHash(b), b.TLSWarning()} {
			if text != "" {
				applied.Warnings = append(applied.Warnings, text)
			}
		}
	}
}
