package acme

import (
	"context"
	"crypto"
	cryptox509 "crypto/x509"
	"errors"
	"strings"
	"time"

	"thalassa/activity"
	"thalassa/certs"
	"thalassa/lb"
)

// note stores what became of an attempt, and tells of it.
func (a *attempt) note(err error) {
	i := a.i
	now := i.cfg.Now()
	ctx := context.WithoutCancel(a.ctx)
	if err != nil && a.ctx.Err() != nil {
		return // it goes on with the next run, or is over
	}
	i.queue.note(a.identity, err)
	if _, waits := errors.AsType[*waitError](err); err == nil || waits {
		return // keep has told of a success
	}
	change := func(r *record) {
		r.Domains, r.Directory, r.KeyType, r.LastAttempt, r.LastError = a.Domains, a.Directory, a.KeyType, now, errorText(err)
		r.Failures++
		pause := pauseAfter(r.Failures, i.cfg.Chance)
		if held := heldFor(err, now); held > 0 {
			r.Held = now.Add(held)
			pause = max(pause, held+i.cfg.Chance(held/10+1))
		}
		r.NextAttempt = now.Add(pause)
		if isDead(err) || r.Order != nil && !r.Order.Expires.IsZero() && now.After(r.Order.Expires) {
			r.Order = nil
		}
	}
	if saveErr := i.ledger.update(ctx, a.identity, change); saveErr != nil {
		i.ledger.remember(a.identity, func(r *record) {
			order := r.Order
			change(r)
			r.Order = order
		})
		i.cfg.Logger.ErrorContext(ctx, "the state of an order is not stored", "error", saveErr)
	}
	next := i.ledger.record(a.identity).NextAttempt
	i.cfg.Logger.WarnContext(ctx, "certificate not issued", "domains", a.Domains, "server", a.Directory, "error", errorText(err), "next", next)
	a.tell(i.cfg.Journal, activity.Event{
		Verb: activity.CertificateRenewalFailed, Error: errorText(err), Reasons: []string{"the next attempt is at " + next.UTC().Format(time.RFC3339)},
	})
}

// tell notes an event for each certificate.
func (w *want) tell(to Journal, e activity.Event) {
	if to == nil {
		return
	}
	for _, name := range w.names {
		e.Object = activity.Object{ID: lb.Certificate{Key: name}.ID(), Type: "certificate", Key: string(name)}
		to.Note(e)
	}
	if w.isOwn {
		e.Object = activity.Object{ID: "agent", Type: "agent"}
		e.Cause = "the certificate of the agent's own address"
		to.Note(e)
	}
}

// keep checks what has been issued and stores it.
func (a *attempt) keep(ctx context.Context, chain [][]byte, key crypto.Signer) error {
	a.step("store")
	now := a.i.cfg.Now()
	b, err := a.accept(chain, key, now)
	if err != nil {
		return err
	}
	if err := a.i.cfg.Keys.Put(b.Files); err != nil {
		return err
	}
	files := storedFiles(b.Certificate.Files)
	before := a.i.ledger.record(a.identity)
	a.answered() // who asks from now on has seen, or may see, what is issued
	a.step("record")
	err = a.i.ledger.update(ctx, a.identity, func(r *record) {
		*r = record{
			Domains: a.Domains, Directory: a.Directory, KeyType: a.KeyType, StandIn: r.StandIn,
			Files: files, IssuedAt: now, RenewAt: renewAt(files[0].Chain[0], now, a.i.cfg.Chance), LastAttempt: now, Sequence: r.Sequence,
		}
	})
	if err != nil {
		return err
	}
	a.i.issued(ctx, a.want, before, "")
	return nil
}

// accept checks what a server has issued: it must be what was ordered.
func (a *attempt) accept(chain [][]byte, key crypto.Signer, now time.Time) (b certs.Bundle, err error) {
	if len(chain) == 0 {
		return b, &answerError{"has sent no certificate"}
	}
	leaf, err := cryptox509.ParseCertificate(chain[0])
	if err != nil {
		return b, &answerError{"has sent a certificate that cannot be read"}
	}
	for _, domain := range a.Domains {
		if err := leaf.VerifyHostname(strings.Replace(domain, "*.", "any.", 1)); err != nil {
			return b, &answerError{"has issued a certificate that is not for " + domain}
		}
	}
	b, err = bundle(chain, key, now)
	if err != nil {
		return b, &answerError{"has issued a certificate that cannot be used: " + err.Error()}
	}
	return b, nil
}

// issued announces a new certificate, and how it came, for people.
func (i *Issuer) issued(ctx context.Context, w *want, before *record, how string) {
	r := i.ledger.record(w.identity)
	leaf, ok := r.leaf()
	if !ok {
		return
	}
	e := activity.Event{
		Verb: activity.CertificateRenewed, Diff: []string{"serial " + serialOf(before) + " → " + leaf.Serial},
		Reasons: []string{"expires on " + leaf.NotAfter.UTC().Format(time.RFC3339), "is renewed at " + r.RenewAt.UTC().Format(time.RFC3339)},
	}
	if how != "" {
		e.Reasons = append([]string{how}, e.Reasons...)
	}
	i.cfg.Logger.InfoContext(ctx, "certificate issued", "domains", w.Domains, "serial", leaf.Serial, "expires", leaf.NotAfter, "renewal", r.RenewAt)
	i.changed.Broadcast()
	w.tell(i.cfg.Journal, e)
}

// serialOf is the serial number of the certificate before; "none": there was none.
func serialOf(r *record) string {
	if leaf, ok := r.leaf(); ok {
		return leaf.Serial
	}
	return "none"
}

// forgetAccount makes the next attempt register the account again and make new orders.
func (a *attempt) forgetAccount(ctx context.Context) error {
	i, id := a.i, accountID(a.ACME)
	known := i.accounts.known(id)
	if known != nil && known.URL != "" {
		next := *known
		next.URL = ""
		if _, err := i.accounts.put(ctx, id, next); err != nil {
			return err
		}
	}
	return i.ledger.update(ctx, a.identity, func(r *record) { r.Order = nil })
}
