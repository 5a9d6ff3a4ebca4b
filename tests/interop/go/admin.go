package main

import (
	"context"
	"time"

	"github.com/golang/protobuf/proto"
	"github.com/golang/protobuf/ptypes"
	"github.com/golang/protobuf/ptypes/empty"
	pb "google.golang.org/genproto/googleapis/pubsub/v1"
)

// Of Subscription; this genproto is older than they are.
const (
	retryPolicyField = 14
	exactlyOnceField = 16
)

func createTopic(ctx context.Context, words []string) (result, error) {
	c := newFlags("topic")
	_ = c.Parse(words)
	pub, _, err := raw()
	if err != nil {
		return nil, err
	}
	topic, err := pub.CreateTopic(ctx, &pb.Topic{Name: c.topicName(*c.topic)})
	if err != nil {
		return nil, err
	}
	return result{"topic": topic.Name}, nil
}

func createSub(ctx context.Context, words []string) (result, error) {
	c := newFlags("sub")
	ackDeadline := c.Duration("ack-deadline", 10*time.Second, "")
	deadLetter := c.String("dead-letter", "", "topic")
	attempts := c.Int("attempts", 5, "before a message is dead-lettered")
	retryMin := c.Duration("retry-min", 0, "backoff")
	retryMax := c.Duration("retry-max", 0, "backoff; 0: no retry policy")
	ordered := c.Bool("ordered", false, "messages of one key in order")
	exactlyOnce := c.Bool("exactly-once", false, "")
	filter := c.String("filter", "", "")
	retain := c.Bool("retain", false, "keep acked messages")
	_ = c.Parse(words)
	_, sub, err := raw()
	if err != nil {
		return nil, err
	}
	request := &pb.Subscription{Name: c.subName(), Topic: c.topicName(*c.topic), AckDeadlineSeconds: int32(ackDeadline.Seconds())}
	if *deadLetter != "" {
		request.DeadLetterPolicy = &pb.DeadLetterPolicy{DeadLetterTopic: c.topicName(*deadLetter), MaxDeliveryAttempts: int32(*attempts)}
	}
	request.EnableMessageOrdering, request.Filter, request.RetainAckedMessages = *ordered, *filter, *retain
	if *retryMax > 0 {
		request.XXX_unrecognized = retryPolicy(*retryMin, *retryMax)
	}
	if *exactlyOnce {
		request.XXX_unrecognized = append(request.XXX_unrecognized, append(proto.EncodeVarint(exactlyOnceField<<3), 1)...)
	}
	made, err := sub.CreateSubscription(ctx, request)
	if err != nil {
		return nil, err
	}
	return result{"sub": made.Name, "ack_deadline_s": made.AckDeadlineSeconds}, nil
}

// One of the calls that change where a subscription stands.
func seek(ctx context.Context, words []string) (result, error) {
	c := newFlags("seek")
	ago := c.Duration("ago", 0, "to this long before now")
	snapshot := c.String("snapshot", "", "to this one instead")
	make := c.String("make-snapshot", "", "makes it, and seeks nowhere")
	detach := c.Bool("detach", false, "takes the subscription from its topic instead")
	_ = c.Parse(words)
	pub, sub, err := raw()
	if err != nil {
		return nil, err
	}
	snapshotName := func(id string) string { return "projects/" + *c.project + "/snapshots/" + id }
	switch {
	case *detach:
		// The old generated client does not have it; the request has the bytes of another.
		err = pub.Connection().Invoke(ctx, "/google.pubsub.v1.Publisher/DetachSubscription", &pb.DeleteSubscriptionRequest{Subscription: c.subName()}, &empty.Empty{})
	case *make != "":
		var made *pb.Snapshot
		if made, err = sub.CreateSnapshot(ctx, &pb.CreateSnapshotRequest{Name: snapshotName(*make), Subscription: c.subName()}); err == nil {
			return result{"snapshot": made.Name, "days": time.Until(time.Unix(made.ExpireTime.Seconds, 0)).Hours() / 24}, nil
		}
	case *snapshot != "":
		_, err = sub.Seek(ctx, &pb.SeekRequest{Subscription: c.subName(), Target: &pb.SeekRequest_Snapshot{Snapshot: snapshotName(*snapshot)}})
	default:
		at, _ := ptypes.TimestampProto(time.Now().Add(-*ago))
		_, err = sub.Seek(ctx, &pb.SeekRequest{Subscription: c.subName(), Target: &pb.SeekRequest_Time{Time: at}})
	}
	return result{}, err
}

// RetryPolicy{minimum_backoff = 1, maximum_backoff = 2} as a field of Subscription.
func retryPolicy(min, max time.Duration) []byte {
	policy := embed(nil, 1, durationBytes(min))
	policy = embed(policy, 2, durationBytes(max))
	return embed(nil, retryPolicyField, policy)
}

func durationBytes(d time.Duration) []byte {
	bytes, _ := proto.Marshal(ptypes.DurationProto(d))
	return bytes
}

func embed(to []byte, field int, bytes []byte) []byte {
	to = append(to, proto.EncodeVarint(uint64(field<<3|2))...)
	to = append(to, proto.EncodeVarint(uint64(len(bytes)))...)
	return append(to, bytes...)
}
