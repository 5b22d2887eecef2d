#pragma once
#ifdef __cplusplus
extern "C" {
#endif
double sqrt(double);
#ifdef __cplusplus
}
#endif
