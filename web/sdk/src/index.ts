// What the SDK offers. Everything else is private.
// SPDX-License-Identifier: Apache-2.0
export { ConclaveClient, type ClientOptions, type JoinOptions } from './client.js';
export { Room, type Quality, type RoomEvents, type RoomOptions } from './room.js';
export { type VideoSource } from './attachments.js';
export { type ConnectionOptions, type RoomConnection, type TokenProvider } from './connection-options.js';
export { type ChatMessage, type Participant, type Track } from './state.js';
export { LocalMedia, type LocalMediaOptions, type LocalSource } from './local-media.js';
export { type VideoCodec } from './layers.js';
export { Devices, type Device, type DeviceList } from './devices.js';
export { AudioOutput } from './audio-output.js';
export { LevelMeter } from './level.js';
export { AuthClient, type AuthOptions, type Guest, type User } from './auth.js';
export { type MediaWatchOptions } from './media-watch.js';
export { type DataFailure, type DataMessage, type DataOptions } from './data.js';
export { ConclaveError, isRetryable } from './errors.js';
export { type Bars } from './quality.js';
export { type InboundStats, type OutboundStats, type ParticipantStats, type RoomStats, type TransportStats } from './stats.js';
export { type JoinStep, type JoinTimeline } from './timeline.js';
export { SOURCES, type Role, type Source, type Speaker, type ViewEntry } from './protocol.js';
