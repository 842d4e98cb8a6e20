package api

import (
	"encoding/json"
	"fmt"

	"thalassa/api/node"
	"thalassa/lb"
	"thalassa/stream"
)

// views are the objects of an intent and a snapshot as the websocket tells them.
type views struct {
	intent   lb.Intent
	snapshot lb.Snapshot
	backends map[lb.Name]stream.Object
}

// publishViews tells of frontends, backends and services. Objects of which nothing that
// matters has changed stay as they are known.
func (s *Server) publishViews(known views, in lb.Intent, snap lb.Snapshot) (views, error) {
	now := views{intent: in, snapshot: snap, backends: make(map[lb.Name]stream.Object, len(in.Backends))}
	first := known.backends == nil
	if first || known.intent.Revision != in.Revision {
		if err := s.publishFrontends(in); err != nil {
			return known, err
		}
	}
	backends := make([]stream.Object, 0, len(in.Backends))
	for _, b := range in.SortedBackends() {
		object, ok := known.backends[b.Key]
		if !ok || known.intent.Revision != in.Revision || !known.snapshot.Services[b.Service].SameAnswer(snap.Services[b.Service]) {
			var err error
			if object, err = encoded(b.ID(), string(b.Key), tagged{node.NewBackend(lb.Populate(b, snap)), b.ETag()}); err != nil {
				return known, err
			}
		}
		now.backends[b.Key] = object
		backends = append(backends, object)
	}
	s.topics.backends.Replace(backends)
	return now, s.publishServices(in, snap)
}

func (s *Server) publishFrontends(in lb.Intent) error {
	list := in.SortedFrontends()
	objects := make([]stream.Object, len(list))
	for i, f := range list {
		var err error
		if objects[i], err = encoded(f.ID(), string(f.Key), tagged{node.NewFrontend(f), f.ETag()}); err != nil {
			return err
		}
	}
	s.topics.frontends.Replace(objects)
	return nil
}

func (s *Server) publishServices(in lb.Intent, snap lb.Snapshot) error {
	list := lb.ServiceStatuses(in, snap)
	objects := make([]stream.Object, len(list))
	for i, service := range list {
		id := "service/" + string(service.Service)
		var err error
		if objects[i], err = encoded(id, "", identified{id, node.NewServiceStatus(service)}); err != nil {
			return err
		}
	}
	s.topics.services.Replace(objects)
	return nil
}

// encoded is an object of a topic.
func encoded(id, key string, v any) (stream.Object, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return stream.Object{}, fmt.Errorf("encoding %s for the websocket: %w", id, err)
	}
	return stream.Object{ID: id, Key: key, JSON: data}, nil
}

// identified is an object with an id before its own fields.
type identified struct {
	id     string
	object any
}

// MarshalJSON joins the two.
func (i identified) MarshalJSON() ([]byte, error) {
	return joinObjects(struct {
		ID string `json:"id"`
	}{i.id}, i.object)
}

// tagged is an object with the entity tag of its definition.
type tagged struct {
	object any
	tag    string
}

// MarshalJSON joins the two.
func (t tagged) MarshalJSON() ([]byte, error) {
	return joinObjects(t.object, struct {
		ETag string `json:"etag"`
	}{t.tag})
}
