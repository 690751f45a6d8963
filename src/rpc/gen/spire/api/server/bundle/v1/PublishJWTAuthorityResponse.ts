// Original file: proto/spire/api/server/bundle/v1/bundle.proto

import type { JWTKey as _spire_api_types_JWTKey, JWTKey__Output as _spire_api_types_JWTKey__Output } from '../../../../../spire/api/types/JWTKey.ts';

export interface PublishJWTAuthorityResponse {
  /**
   * All that the trust domain has now.
   */
  'jwt_authorities'?: (_spire_api_types_JWTKey)[];
}

export interface PublishJWTAuthorityResponse__Output {
  /**
   * All that the trust domain has now.
   */
  'jwt_authorities': (_spire_api_types_JWTKey__Output)[];
}
