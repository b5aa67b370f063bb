# Cross compilation with the GNU Arm Embedded toolchain; nothing of its C library is linked.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
# The compiler check must not link: there is no start-up code yet.
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
