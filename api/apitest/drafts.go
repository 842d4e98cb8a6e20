package apitest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"thalassa/lb"
	"thalassa/stage"
)

// drafts keeps drafts in memory.
type drafts struct {
	mu   sync.Mutex
	last int
	list []stage.Draft
}

func (d *drafts) index(id string) (int, error) {
	i := slices.IndexFunc(d.list, func(draft stage.Draft) bool { return draft.ID == id })
	if i < 0 {
		return i, &lb.NotFoundError{ID: "drafts/" + id}
	}
	return i, nil
}

func (d *drafts) Drafts(context.Context) ([]stage.Draft, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.list), nil
}

func (d *drafts) DraftHeads(ctx context.Context) ([]stage.Draft, error) {
	list, err := d.Drafts(ctx)
	for i := range list {
		list[i].Objects = nil
	}
	return list, err
}

func (d *drafts) Draft(_ context.Context, id string) (stage.Draft, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, err := d.index(id)
	if err != nil {
		return stage.Draft{}, err
	}
	return d.list[i], nil
}

func (d *drafts) CreateDraft(_ context.Context, draft stage.Draft) (stage.Draft, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.index(draft.ID); err == nil {
		return draft, &lb.ConflictError{ID: "drafts/" + draft.ID, Reason: "exists already"}
	}
	if draft.ID == "" {
		d.last++
		draft.ID = strconv.Itoa(d.last)
	}
	d.list = append(d.list, draft)
	return draft, nil
}

func (d *drafts) UpdateDraft(_ context.Context, id string, change func(stage.Draft) (stage.Draft, error)) (stage.Draft, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, err := d.index(id)
	if err != nil {
		return stage.Draft{}, err
	}
	next, err := change(d.list[i])
	if err != nil { // wrapped, as the store does
		return next, fmt.Errorf("storing a draft: %w", err)
	}
	d.list[i] = next
	return next, nil
}

func (d *drafts) DeleteDraft(_ context.Context, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, err := d.index(id)
	if err == nil {
		d.list = slices.Delete(d.list, i, i+1)
	}
	return err
}
