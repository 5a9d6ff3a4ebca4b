package main

import (
	"context"
	"io"
	"time"

	vkit "cloud.google.com/go/pubsub/apiv1"
	"github.com/golang/protobuf/ptypes"
	pb "google.golang.org/genproto/googleapis/pubsub/v1"
	"google.golang.org/genproto/protobuf/field_mask"
	"google.golang.org/grpc/status"
)

// Asks a server for what it must refuse (and for some of what is just right): the code of each answer, by what was asked.
type asking struct {
	ctx              context.Context
	pub              *vkit.PublisherClient
	sub              *vkit.SubscriberClient
	topic, name      string
	nobody, snapshot string
	codes            result
}

func refused(ctx context.Context, words []string) (result, error) {
	c := newFlags("refused")
	_ = c.Parse(words)
	pub, sub, err := raw()
	if err != nil {
		return nil, err
	}
	project := "projects/" + *c.project
	a := &asking{ctx, pub, sub, c.topicName(*c.topic), c.subName(), project + "/subscriptions/none", project + "/snapshots/none", result{}}
	a.publishing()
	a.subscribing()
	a.masks()
	a.acking()
	a.others()
	a.streams() // with messages on their way: the status is heard behind them
	return result{"codes": a.codes}, nil
}

func (a *asking) said(what string, err error) {
	if err == io.EOF {
		err = nil
	}
	a.codes[what] = status.Code(err).String()
}

func (a *asking) publish(what string, messages ...*pb.PubsubMessage) {
	_, err := a.pub.Publish(a.ctx, &pb.PublishRequest{Topic: a.topic, Messages: messages})
	a.said(what, err)
}

func (a *asking) publishing() {
	repeated := func(n int) []*pb.PubsubMessage {
		all := make([]*pb.PubsubMessage, n)
		for i := range all {
			all[i] = &pb.PubsubMessage{Data: []byte("x")}
		}
		return all
	}
	a.publish("nothing")
	a.publish("an empty message", &pb.PubsubMessage{})
	a.publish("attributes alone", &pb.PubsubMessage{Attributes: map[string]string{"a": "b"}})
	a.publish("two keys", &pb.PubsubMessage{Data: []byte("x"), OrderingKey: "a"}, &pb.PubsubMessage{Data: []byte("x"), OrderingKey: "b"})
	a.publish("1,000 messages", repeated(1000)...)
	a.publish("1,001 messages", repeated(1001)...)
	a.publish("10 MB", &pb.PubsubMessage{Data: make([]byte, 10000000)})
	a.publish("11 MB", &pb.PubsubMessage{Data: make([]byte, 11000000)})
}

func (a *asking) subscribing() {
	for what, change := range map[string]func(s *pb.Subscription){
		"ack deadline 9 s":   func(s *pb.Subscription) { s.AckDeadlineSeconds = 9 },
		"ack deadline 601 s": func(s *pb.Subscription) { s.AckDeadlineSeconds = 601 },
		"retention 1 s":      func(s *pb.Subscription) { s.MessageRetentionDuration = ptypes.DurationProto(time.Second) },
		"retention 32 d":     func(s *pb.Subscription) { s.MessageRetentionDuration = ptypes.DurationProto(32 * 24 * time.Hour) },
		"expires in an hour": func(s *pb.Subscription) {
			s.ExpirationPolicy = &pb.ExpirationPolicy{Ttl: ptypes.DurationProto(time.Hour)}
		},
		"4 attempts": func(s *pb.Subscription) {
			s.DeadLetterPolicy = &pb.DeadLetterPolicy{DeadLetterTopic: a.topic, MaxDeliveryAttempts: 4}
		},
		"101 attempts": func(s *pb.Subscription) {
			s.DeadLetterPolicy = &pb.DeadLetterPolicy{DeadLetterTopic: a.topic, MaxDeliveryAttempts: 101}
		},
		"dead letters nowhere": func(s *pb.Subscription) {
			s.DeadLetterPolicy = &pb.DeadLetterPolicy{DeadLetterTopic: a.topic + "-none"}
		},
		"backoff 601 s":        func(s *pb.Subscription) { s.XXX_unrecognized = retryPolicy(time.Second, 601*time.Second) },
		"a backoff that sinks": func(s *pb.Subscription) { s.XXX_unrecognized = retryPolicy(9*time.Second, time.Second) },
		"push":                 func(s *pb.Subscription) { s.PushConfig = &pb.PushConfig{PushEndpoint: "https://example.com"} },
		"a wrong filter":       func(s *pb.Subscription) { s.Filter = "bad filter" },
		"a capital label":      func(s *pb.Subscription) { s.Labels = map[string]string{"Key": "x"} },
		"a short name":         func(s *pb.Subscription) { s.Name = "projects/interop/subscriptions/ab" },
		"no topic":             func(s *pb.Subscription) { s.Topic = "" },
		"nowhere":              func(s *pb.Subscription) { s.Topic += "-none" },
		"again":                func(s *pb.Subscription) { s.Name = a.name },
	} {
		request := &pb.Subscription{Name: a.name + "-new", Topic: a.topic}
		change(request)
		_, err := a.sub.CreateSubscription(a.ctx, request)
		a.said(what, err)
	}
}

func (a *asking) masks() {
	for what, paths := range map[string][]string{"no mask": nil, "mask filter": {"filter"}, "mask topic": {"topic"}, "mask ackDeadlineSeconds": {"ackDeadlineSeconds"},
		"mask labels, filter": {"labels", "filter"}} {
		request := &pb.UpdateSubscriptionRequest{Subscription: &pb.Subscription{Name: a.name}, UpdateMask: &field_mask.FieldMask{Paths: paths}}
		_, err := a.sub.UpdateSubscription(a.ctx, request)
		a.said(what, err)
	}
	_, err := a.pub.UpdateTopic(a.ctx, &pb.UpdateTopicRequest{Topic: &pb.Topic{Name: a.topic}, UpdateMask: &field_mask.FieldMask{Paths: []string{"kms_key_name"}}})
	a.said("mask kms_key_name", err)
}

func (a *asking) acking() {
	garbage := []string{"garbage"}
	a.said("acked nothing", a.sub.Acknowledge(a.ctx, &pb.AcknowledgeRequest{Subscription: a.name}))
	a.said("acked nowhere", a.sub.Acknowledge(a.ctx, &pb.AcknowledgeRequest{Subscription: a.nobody}))
	a.said("acked for nobody", a.sub.Acknowledge(a.ctx, &pb.AcknowledgeRequest{AckIds: garbage}))
	a.said("acked garbage", a.sub.Acknowledge(a.ctx, &pb.AcknowledgeRequest{Subscription: a.name, AckIds: garbage}))
	a.said("more time for garbage", a.sub.ModifyAckDeadline(a.ctx, &pb.ModifyAckDeadlineRequest{Subscription: a.name, AckIds: garbage, AckDeadlineSeconds: 10}))
	_, err := a.sub.Pull(a.ctx, &pb.PullRequest{Subscription: a.name})
	a.said("pulled no messages", err)
	_, err = a.sub.Pull(a.ctx, &pb.PullRequest{Subscription: a.nobody})
	a.said("pulled nowhere", err)
}

func (a *asking) others() {
	_, err := a.sub.Seek(a.ctx, &pb.SeekRequest{Subscription: a.name})
	a.said("sought nothing", err)
	_, err = a.sub.Seek(a.ctx, &pb.SeekRequest{Subscription: a.name, Target: &pb.SeekRequest_Snapshot{Snapshot: a.snapshot}})
	a.said("sought a snapshot that is not there", err)
	_, err = a.sub.GetSubscription(a.ctx, &pb.GetSubscriptionRequest{})
	a.said("got what has no name", err)
	a.said("turned to push", a.sub.ModifyPushConfig(a.ctx, &pb.ModifyPushConfigRequest{Subscription: a.name, PushConfig: &pb.PushConfig{PushEndpoint: "https://example.com"}}))
	a.said("turned to pull", a.sub.ModifyPushConfig(a.ctx, &pb.ModifyPushConfigRequest{Subscription: a.name, PushConfig: &pb.PushConfig{}}))
}

// How a stream ends after these requests; OK: when its client has nothing more to say.
func (a *asking) streams() {
	open := pb.StreamingPullRequest{Subscription: a.name, StreamAckDeadlineSeconds: 10}
	for what, requests := range map[string][]*pb.StreamingPullRequest{
		"a stream":                  {&open},
		"a stream of nothing":       {{StreamAckDeadlineSeconds: 10}},
		"a stream of nobody":        {{Subscription: a.nobody, StreamAckDeadlineSeconds: 10}},
		"a stream with 9 s":         {{Subscription: a.name, StreamAckDeadlineSeconds: 9}},
		"a stream with 601 s":       {{Subscription: a.name, StreamAckDeadlineSeconds: 601}},
		"a stream turned to 601 s":  {&open, {StreamAckDeadlineSeconds: 601}},
		"a stream named twice":      {&open, {Subscription: a.name}},
		"a stream with half a list": {&open, {ModifyDeadlineAckIds: []string{"a", "b"}, ModifyDeadlineSeconds: []int32{10}}},
	} {
		stream, err := a.sub.StreamingPull(a.ctx)
		for _, request := range requests {
			if err == nil {
				err = stream.Send(request)
			}
		}
		if err == nil {
			err = stream.CloseSend()
		}
		for err == nil {
			_, err = stream.Recv()
		}
		a.said(what, err)
	}
}
